"""What the operations of modern networks are made of: softmax, normalisations and smooth activations."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

Cost = dict[str, int]

# Per element. x / (1 + exp(-x)) is a sigmoid and a multiply; GELU is x times (1 + erf(x / sqrt 2)) halved, of which the
# half folds into the weights that follow; hard forms are clamps.
_PER_ELEMENT: dict[str, Cost] = {
    "silu": {"sigmoid": 1, "mul": 1},
    "mish": {"exp": 1, "add": 1, "log": 1, "tanh": 1, "mul": 1},
    "softplus": {"exp": 1, "add": 1, "log": 1, "compare": 1},
    "hardswish": {"add": 1, "compare": 2, "mul": 2},
    "hardsigmoid": {"add": 1, "compare": 2, "mul": 1},
    "elu": {"compare": 1, "exp": 1, "sub": 1, "mul": 1},
    "celu": {"compare": 1, "exp": 1, "sub": 1, "mul": 2},
    "log_sigmoid_forward": {"exp": 1, "add": 1, "log": 1},
    "glu": {"sigmoid": 1, "mul": 1},
}


def _softmax(name: str, args: tuple[Any, ...], kwargs: dict[str, Any], n: int) -> Cost:
    """The largest is found and subtracted, exponentials are added up, and each is divided by their sum."""
    rows = n // max(1, args[0].shape[args[1]] if args[0].dim() else 1)
    cost = {"compare": n - rows, "sub": n, "exp": n, "add": n - rows}
    return cost | ({"div": n} if name != "_log_softmax" else {"log": rows, "sub": 2 * n})


def _normalised(name: str, args: tuple[Any, ...], kwargs: dict[str, Any], n: int) -> Cost:
    """Mean, variance and its root of every group; then one subtraction and one product, and scale and shift."""
    if name == "native_layer_norm":
        groups, scale, shift = n // max(1, math.prod(args[1])), args[2], args[3]
    else:  # native_group_norm(input, weight, bias, N, C, HxW, group, eps)
        groups, scale, shift = args[3] * args[6], args[1], args[2]
    scaled, shifted = n * (scale is not None), n * (shift is not None)
    return {
        "add": n - groups + n - groups + groups + shifted,
        "mul": groups + n + groups + n + scaled,
        "sub": n,
        "sqrt": groups,
        "div": groups,
    }


def _gelu(name: str, args: tuple[Any, ...], kwargs: dict[str, Any], n: int) -> Cost:
    if kwargs.get("approximate", "none") == "tanh":  # x (1 + tanh(c (x + a x^3)))
        return {"mul": 5 * n, "add": 2 * n, "tanh": n}
    return {"mul": 2 * n, "add": n, "erf": n}


def _vector_norm(name: str, args: tuple[Any, ...], kwargs: dict[str, Any], n: int) -> Cost:
    size = args[0].numel()
    return {"mul": size, "add": size - n, "sqrt": n}


def _variance(name: str, args: tuple[Any, ...], kwargs: dict[str, Any], n: int) -> Cost:
    size = args[0].numel()
    return {"add": 2 * (size - n), "mul": size + 2 * n, "sub": size} | ({"sqrt": n} if name.startswith("std") else {})


def _columns_to_image(name: str, args: tuple[Any, ...], kwargs: dict[str, Any], n: int) -> Cost:
    return {"add": max(0, args[0].numel() - n)}


def _any(name: str, args: tuple[Any, ...], kwargs: dict[str, Any], n: int) -> Cost:
    """Of truths logic; a number is compared with zero first."""
    size = args[0].numel()
    return {"logic": size - n} | ({} if args[0].dtype == torch.bool else {"compare": size})


def _extremes(name: str, args: tuple[Any, ...], kwargs: dict[str, Any], n: int) -> Cost:
    return {"compare": 2 * (args[0].numel() - n)}


def _ranked(name: str, args: tuple[Any, ...], kwargs: dict[str, Any], n: int) -> Cost:
    """Assumed: every number of a row but the first is put, by bisection, among the k largest that came before."""
    size, at = args[0].numel(), 2 if name == "topk" else 1
    axis = kwargs.get("dim", next((arg for arg in args[at:] if type(arg) is int), -1))
    length = args[0].shape[axis] if args[0].dim() else 1
    k = args[1] if name == "topk" else length
    return {"compare": (size - size // max(1, length)) * math.ceil(math.log2(k + 1))}


def _fake_quantised(name: str, args: tuple[Any, ...], kwargs: dict[str, Any], n: int) -> Cost:
    """Divided by a constant step, shifted by the zero point where there is one, rounded, clamped, and back again."""
    zero = args[6] if name.startswith("_fused") else args[2]
    shifted = bool((zero != 0).any()) if isinstance(zero, Tensor) else zero != 0
    return {"mul": 2 * n, "compare": 3 * n} | ({"add": n, "sub": n} if shifted else {})


def _embedded(name: str, args: tuple[Any, ...], kwargs: dict[str, Any], n: int) -> Cost:
    """embedding_bag(weight, indices, offsets, scale by frequency, mode ...): sum, mean or the largest of rows."""
    mode = args[4] if len(args) > 4 else 0
    taken = max(0, args[1].numel() * args[0].shape[1] - n)
    return {"compare" if mode == 2 else "add": taken} | ({"mul": n} if mode == 1 else {})


_COMPOSED: dict[str, Callable[[str, tuple[Any, ...], dict[str, Any], int], Cost]] = {
    "_softmax": _softmax,
    "_log_softmax": _softmax,
    "_safe_softmax": _softmax,
    "native_layer_norm": _normalised,
    "native_group_norm": _normalised,
    "gelu": _gelu,
    "linalg_vector_norm": _vector_norm,
    "var": _variance,
    "var_mean": _variance,
    "std": _variance,
    "col2im": _columns_to_image,
    "any": _any,
    "all": _any,
    "aminmax": _extremes,
    "topk": _ranked,
    "sort": _ranked,
    "fake_quantize_per_tensor_affine_cachemask": _fake_quantised,
    "fake_quantize_per_channel_affine_cachemask": _fake_quantised,
    "_fake_quantize_per_tensor_affine_cachemask_tensor_qparams": _fake_quantised,
    "_fake_quantize_learnable_per_tensor_affine": _fake_quantised,
    "_fake_quantize_learnable_per_channel_affine": _fake_quantised,
    "_fused_moving_avg_obs_fq_helper": _fake_quantised,
    "embedding_bag": _embedded,
}

COMPOSED = frozenset([*_PER_ELEMENT, *_COMPOSED])


def composed_cost(name: str, args: tuple[Any, ...], kwargs: dict[str, Any], n: int) -> Cost:
    """Return the elementary operations of one call of `COMPOSED` with n output elements."""
    if name in _PER_ELEMENT:
        return {word: times * n for word, times in _PER_ELEMENT[name].items()}
    return _COMPOSED[name](name, args, kwargs, n)
