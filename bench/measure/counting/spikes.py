"""What is a spike, 0 or 1 whatever the input: comparisons make them, and one-bit logic makes spikes of spikes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from bench.measure.counting.nests import tensors

# Their result is 0 or 1 whatever went in, so spikes are made by one of them.
THRESHOLDS = frozenset(
    "ge gt le lt eq ne heaviside logical_and logical_or logical_not logical_xor"
    " bitwise_and bitwise_or bitwise_not bitwise_xor".split()
)
_BITWISE = frozenset("bitwise_and bitwise_or bitwise_not bitwise_xor".split())

# Of spikes, these are one-bit logic: AND, NOT, OR. A pool that takes the largest spike is an OR of its taps.
_LOGIC = frozenset(
    "logical_and logical_or logical_not logical_xor bitwise_and bitwise_or bitwise_xor eq ne"
    " max amax min amin any all maximum minimum max_pool2d_with_indices max_pool3d_with_indices max_pool2d".split()
)

_TRUTHS = frozenset(["any", "all", "bernoulli"])  # 0 or 1 as well, and no comparison of a neuron's
_CHOICES = {"where": (1, 2), "masked_fill": (0, 2)}  # between which arguments there is a choice
_FILLS = {"constant_pad_nd": 2, "scatter": 3}  # which argument a constant comes in by

IsSpike = Callable[[Any], bool]


def makes_spikes(name: str, args: tuple[Any, ...], kwargs: dict[str, Any], is_spike: IsSpike, live: set[int]) -> bool:
    """Whether the result is 0 or 1 whatever comes: compared, or made of spikes by logic of a bit.

    live: the ids of the tensors that depend on the input.
    """
    if is_logic(name, args, kwargs, is_spike):
        return True
    if name in _BITWISE:  # of whole numbers these are whole numbers
        return _all_bool(args)
    if name == "heaviside":  # what it is at 0 comes with the call
        return is_spike(args[1]) or bool(((args[1] == 0) | (args[1] == 1)).all())
    if name in _CHOICES:  # of spikes, zeros and ones
        values = [args[at] for at in _CHOICES[name] if at < len(args)]
        return len(values) == 2 and all(
            _is_bit(value, live) or (isinstance(value, Tensor) and is_spike(value)) for value in values
        )
    return name in THRESHOLDS or name in _TRUTHS


def compares_to_zero(name: str, args: tuple[Any, ...]) -> bool:
    """Whether it is a comparison with zero."""
    other = args[1] if len(args) > 1 else None
    is_zero = isinstance(other, int | float) and not isinstance(other, bool) and other == 0
    return name == "heaviside" or (name in THRESHOLDS and is_zero)


def is_logic(name: str, args: tuple[Any, ...], kwargs: dict[str, Any], is_spike: IsSpike) -> bool:
    """Whether it takes spikes alone, and is logic of a bit."""
    spikes = [is_spike(tensor) for tensor in tensors(args)]
    if not spikes or not all(spikes):
        return False
    if name in ("add", "bitwise_not"):  # a sum of truths is their OR
        return _all_bool(args) and kwargs.get("alpha", 1) == 1
    if name in _BITWISE and not _truths(args[:2]):
        return False
    return name in _LOGIC or _is_complement(name, args, kwargs) or (name == "mul" and len(spikes) > 1)


def mixes_in(name: str, args: tuple[Any, ...], kwargs: dict[str, Any], live: set[int]) -> bool:
    """Whether what moves comes out among other numbers: a constant tensor's, or a fill that is neither 0 nor 1.

    live: the ids of the tensors that depend on the input.
    """
    constants = [tensor for tensor in tensors((args, kwargs)) if id(tensor) not in live]
    if any(tensor.is_floating_point() for tensor in constants):
        return True
    # Of whole numbers, some are places and some are values.
    values = {"cat": args[:1], "stack": args[:1], "index_put": args[2:3], "scatter": args[3:4]}.get(name, ())
    if any(id(tensor) not in live and tensor.dtype != torch.bool for tensor in tensors(values)):
        return True
    fill = _FILLS.get(name)
    filled = args[fill] if fill is not None and len(args) > fill else kwargs.get("value", 0)
    return not isinstance(filled, Tensor) and filled not in (0, 1)


def _is_bit(value: Any, live: set[int]) -> bool:
    """Whether one number is 0 or 1 whatever comes."""
    return id(value) not in live and (not isinstance(value, Tensor) or value.dim() == 0) and value in (0, 1)


def _all_bool(args: tuple[Any, ...]) -> bool:
    return _truths(args[:2]) and all(tensor.dtype == torch.bool for tensor in tensors(args))


def _truths(operands: tuple[Any, ...]) -> bool:
    """Whether no operand is a number that is neither true nor false."""
    return all(isinstance(operand, Tensor | bool) for operand in operands)


def _is_complement(name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
    """Whether it is 1 - s, as torch writes it."""
    alpha = kwargs.get("alpha", args[2] if len(args) > 2 else 1)
    return name == "rsub" and not isinstance(args[1], Tensor) and (args[1], alpha) == (1, 1)
