"""What one aten operation costs in elementary operations (add, mul, compare ...): the vocabulary of every count.

A division by a constant is a multiply; moving, casting and creating data is free; an operation that is in no table here
has no known cost, and whoever counts must say so. What hardware for spikes would not multiply is told apart: a product
with a spike selects, one with a power of two shifts, and of two spikes, as in an OR or a NOT, there is logic of a bit.
"""

from __future__ import annotations

import math
from collections import Counter as Multiset
from collections.abc import Callable
from typing import Any

from torch import Tensor

from bench.measure.counting.composed import COMPOSED, composed_cost
from bench.measure.counting.nests import tensors
from bench.measure.counting.reductions import REDUCTIONS, SCATTERED_SUMS, places
from bench.measure.counting.spikes import THRESHOLDS, is_logic

# Elementary operations per output element; the word on the right is the one that cost tables price.
_PER_ELEMENT: dict[str, dict[str, int]] = {
    "neg": {"sub": 1},
    "square": {"mul": 1},
    "reciprocal": {"div": 1},
    "sigmoid": {"sigmoid": 1},
    "tanh": {"tanh": 1},
    "exp": {"exp": 1},
    "log": {"log": 1},
    "erf": {"erf": 1},
    "sqrt": {"sqrt": 1},
    "rsqrt": {"sqrt": 1, "div": 1},
    "relu": {"compare": 1},
    "threshold": {"compare": 1},
    "clamp_min": {"compare": 1},
    "clamp_max": {"compare": 1},
    "clamp": {"compare": 2},
    "hardtanh": {"compare": 2},
    "leaky_relu": {"compare": 1, "mul": 1},
    "_prelu_kernel": {"compare": 1, "mul": 1},
    "maximum": {"compare": 1},
    "minimum": {"compare": 1},
    "abs": {"compare": 1},
    "where": {"select": 1},
    "masked_fill": {"select": 1},
    "cumsum": {"add": 1},
    "rand": {"random": 1},
    "rand_like": {"random": 1},
    "uniform": {"random": 1},
    "bernoulli": {"random": 1, "compare": 1},
}

# What the exponent makes of a power.
_POWERS = {1: "clone", 0.5: "sqrt", -0.5: "rsqrt", -1: "reciprocal"}

# Drawn anew at every pass, so work even where no argument depends on the input.
RANDOM = frozenset(["rand", "rand_like", "uniform", "bernoulli"])

# As many compares; of an analog number they make a quantised one, which is a spike nowhere but in a spiking neuron.
QUANTISERS = frozenset("sign round floor ceil trunc floor_divide".split())

# The result carries nothing of the argument but its size.
CREATION = frozenset(
    "zeros_like ones_like full_like empty_like new_zeros new_ones new_full new_empty new_empty_strided"
    " zero fill empty_strided".split()
)

# Data moves, arithmetic does not happen.
MOVES = frozenset(
    "view _unsafe_view reshape _reshape_alias expand permute transpose t unsqueeze squeeze slice select unbind split"
    " split_with_sizes split_copy chunk narrow as_strided alias detach clone contiguous _to_copy copy to lift_fresh"
    " flatten unflatten movedim cat stack repeat constant_pad_nd reflection_pad1d reflection_pad2d reflection_pad3d"
    " replication_pad1d replication_pad2d replication_pad3d flip roll index index_select gather unfold resize set"
    " diagonal upsample_nearest1d upsample_nearest2d upsample_nearest3d pixel_shuffle pixel_unshuffle channel_shuffle"
    " view_as_real native_channel_shuffle max_unpool2d index_put scatter slice_scatter select_scatter im2col embedding"
    " _pack_padded_sequence _to_sparse _to_sparse_csr _to_dense tril triu unsafe_split unsafe_split_with_sizes".split()
)

# Of these, what makes another order of a tensor's numbers than its own, or leaves some out, or has some twice.
REARRANGES = MOVES - frozenset(
    "view _unsafe_view _reshape_alias expand permute transpose t unsqueeze squeeze slice select unbind split"
    " split_with_sizes chunk narrow as_strided alias detach clone contiguous _to_copy copy to lift_fresh flatten"
    " unflatten movedim flip diagonal unsafe_split unsafe_split_with_sizes".split()
)

# Integer multiples of a unit stay integer multiples of some unit.
_KEEPS_LEVELS = frozenset(
    "add sub rsub mul div neg abs sum mean cumsum relu maximum minimum clamp clamp_min clamp_max where masked_fill"
    " avg_pool1d avg_pool2d avg_pool3d _adaptive_avg_pool2d _adaptive_avg_pool3d max amax min amin"
    " max_pool2d_with_indices max_pool3d_with_indices max_pool2d sign round floor ceil trunc aminmax topk sort"
    " index_add scatter_add".split()
)

# What comes out is one of what went in, and as wide.
_CHOOSES = frozenset(
    "max_pool2d_with_indices max_pool3d_with_indices max_pool2d max amax min amin maximum minimum relu aminmax"
    " topk sort".split()
)

POOLING = frozenset(
    "avg_pool1d avg_pool2d avg_pool3d _adaptive_avg_pool2d _adaptive_avg_pool3d max_pool2d_with_indices"
    " max_pool3d_with_indices max_pool2d amax amin".split()
)

# Values first, and then where they stood.
WITH_INDICES = frozenset("max min max_pool2d_with_indices max_pool3d_with_indices sort topk".split())

_MOST_FACTORS = 1 << 16  # that are looked through: more are weights rather than a scale


def op_name(func: Any) -> str:
    """Return an aten overload's bare name: `aten.add_.Tensor` is "add"; of any other, "library.name"."""
    name, library = str(func.overloadpacket.__name__), str(getattr(func, "namespace", "aten"))
    return name.rstrip("_") if library == "aten" else f"{library}.{name}"


def meaning_of(name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> str:
    """Return what an operation does where its arguments decide: one that moves may add up what arrives."""
    if name == "index_put" and ((len(args) > 3 and args[3]) or kwargs.get("accumulate")):
        return "index_add"
    if name in ("scatter", "scatter_reduce"):
        how = kwargs.get("reduce", args[4] if len(args) > 4 else None)
        return {None: name, "add": "scatter_add", "sum": "scatter_add"}.get(how, "scatter_reduce")
    if name == "pow" and isinstance(args[1], int | float):
        return _POWERS.get(args[1], name)
    if name in ("_embedding_bag", "_embedding_bag_forward_only"):  # without weights of their own its rows are added up
        return name if any(weights is not None for weights in args[6:7]) else "embedding_bag"
    return name


def quantises(name: str, kwargs: dict[str, Any]) -> bool:
    """Whether the result has few values, as the spikes that a neuron sends several of at once."""
    return name in QUANTISERS or kwargs.get("rounding_mode") is not None


def keeps_levels(name: str) -> bool:
    """Whether the operation turns multiples of a unit into multiples of a unit."""
    return name in _KEEPS_LEVELS or name in MOVES


def keeps_bits(name: str) -> bool:
    """Whether what comes out is as wide, in bits, as the widest that went in."""
    return name in _CHOOSES or name in MOVES


def op_cost(
    name: str,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    out: Any,
    live: Callable[[Tensor], bool],
    is_spike: Callable[[Any], bool] = lambda value: False,
) -> dict[str, int] | None:
    """Return the elementary operations of one call, or None where nobody has said what it costs.

    `live(tensor)` says whether a tensor depends on the input; what does not is a constant of the trained network.
    `is_spike(tensor)` says whether a tensor is 0 or 1 whatever the input, which a comparison has made.
    """
    cost = _op_cost(name, args, kwargs, out, live)
    if not cost:
        return cost
    if is_logic(name, args, kwargs, is_spike):
        return {"logic": sum(cost.values())}
    factors = _factors(name, args, kwargs, cost)
    spikes = [isinstance(factor, Tensor) and is_spike(factor) for factor in factors]
    if not any(spikes):
        return cost
    left, times = Multiset(cost), next(tensors(out)).numel()
    left.subtract({"mul" if "mul" in cost else "shift": times})
    left["logic" if len(spikes) > 1 and all(spikes) else "select"] += times
    return dict(+left)


def _factors(name: str, args: tuple[Any, ...], kwargs: dict[str, Any], cost: dict[str, int]) -> tuple[Any, ...]:
    """Return what an operation multiplies element by element, as far as spikes may be in it."""
    if name in ("add", "sub", "rsub"):
        scaled = kwargs.get("alpha", args[2] if len(args) > 2 else 1) not in (1, -1)
        return args[:1] if scaled and name == "rsub" else args[1:2] if scaled else ()
    if name in ("div", "addcdiv") and "div" in cost:
        return ()
    at = {"mul": (0, 2), "div": (0, 1), "addcmul": (1, 3), "addcdiv": (1, 2), "lerp": (2, 3)}.get(name, (0, 0))
    return args[slice(*at)]


def is_power_of_two(factor: Any) -> bool:
    """Whether a product with a constant, a number or a tensor of them, moves the point of a binary number alone."""
    if isinstance(factor, Tensor):
        return factor.numel() <= _MOST_FACTORS and bool((factor.detach().double().abs().frexp().mantissa == 0.5).all())
    return isinstance(factor, int | float) and math.frexp(abs(factor))[0] == 0.5


def _scaled(cost: dict[str, int], factor: Any, n: int) -> dict[str, int]:
    """Return what an operation costs whose operand is first multiplied by a constant."""
    if factor in (1, -1):
        return cost
    scaling = _scaling(factor)
    return cost | {scaling: cost.get(scaling, 0) + n}


def _scaling(factor: Any) -> str:
    return "shift" if is_power_of_two(factor) else "mul"


def _op_cost(
    name: str, args: tuple[Any, ...], kwargs: dict[str, Any], out: Any, live: Callable[[Tensor], bool]
) -> dict[str, int] | None:
    if name in MOVES or name in CREATION:
        return {}
    result = next(tensors(out), None)
    if result is None:
        return None
    n = result.numel()
    if name in ("add", "sub", "rsub"):
        word = name.removeprefix("r")
        return _scaled({word: n}, kwargs.get("alpha", args[2] if len(args) > 2 else 1), n)
    if name in ("addcmul", "addcdiv"):
        product = "div" if name == "addcdiv" and live(args[2]) else "mul"
        return _scaled({product: n, "add": n}, kwargs.get("value", 1), n)
    if name == "lerp":  # a + w (b - a)
        weight = args[2]
        return {"sub": n, "mul" if isinstance(weight, Tensor) and live(weight) else _scaling(weight): n, "add": n}
    if name in SCATTERED_SUMS:
        added = places(args)
        return _scaled({"add": added}, kwargs.get("alpha", 1), added)
    if name in ("mul", "div"):
        rounded = {"compare": n} if kwargs.get("rounding_mode") else {}
        varies = [isinstance(factor, Tensor) and live(factor) for factor in args[:2]]
        if name == "div" and varies[1]:
            return {"div": n} | rounded
        return {"mul" if all(varies) else _scaling(args[varies.index(False)]): n} | rounded
    if name == "pow":
        return {"mul": n * (int(args[1]) - 1)} if isinstance(args[1], int | float) and args[1] in (2, 3) else None
    if name in REDUCTIONS:
        adds = args[0].numel() - n
        return {"add": adds} if name == "sum" else {"add": adds, _scaling(args[0].numel() // max(1, n)): n}
    if name in ("max", "amax", "min", "amin", "argmax", "argmin"):
        if name in ("max", "min") and len(args) > 1 and isinstance(args[1], Tensor):
            return {"compare": n}
        return {"compare": args[0].numel() - n}
    if name in POOLING:
        return _pooling_cost(name, args, result)
    if name in THRESHOLDS or name in QUANTISERS:
        return {"compare": n}
    if name in COMPOSED:
        return composed_cost(name, args, kwargs, n)
    if name in _PER_ELEMENT:
        return {word: times * n for word, times in _PER_ELEMENT[name].items()}
    return None


def elementary_operations() -> set[str]:
    """Return every word that a cost can be made of."""
    return {"add", "sub", "mul", "div", "compare", "erf", "shift", "logic", "select"}.union(*_PER_ELEMENT.values())


def parts_of(name: str, args: tuple[Any, ...], kwargs: dict[str, Any], out: Any, parts: list[int]) -> int:
    """Return into how many parts a spike is divided behind an operation that keeps levels; 0: not known."""
    before = math.lcm(*parts) if parts and all(parts) else 0
    result = next(tensors(out), None)
    if not before or result is None:
        return 0
    if name == "mean":
        return before * (args[0].numel() // max(1, result.numel()))
    if name.startswith("avg_pool"):
        return before * _area(name, args)
    if name.startswith("_adaptive"):
        sizes = zip(args[0].shape[-len(args[1]) :], result.shape[-len(args[1]) :], strict=True)
        return math.prod([before, *(n // m if n % m == 0 else 0 for n, m in sizes)])
    if name in ("mul", "div"):
        by = args[1] if not isinstance(args[1], Tensor) else float(args[1]) if args[1].dim() == 0 else 0.0
        by = abs(by if name == "div" else 1.0 / by if by else 0.0)
        return before * round(by) if by >= 1 and abs(by - round(by)) < 1e-6 * by else 0 if len(parts) == 1 else before
    return before


def _pooling_cost(name: str, args: tuple[Any, ...], result: Tensor) -> dict[str, int]:
    # The divisor of an average folds into the weights that follow, so an average is its additions.
    if name.startswith("_adaptive"):
        rank = len(args[1])
        taps = math.prod(result.shape[:-rank])
        for size_in, size_out in zip(args[0].shape[-rank:], result.shape[-rank:], strict=True):
            taps *= sum(-(-(i + 1) * size_in // size_out) - i * size_in // size_out for i in range(size_out))
        return {"add": taps - result.numel()}
    return {"add" if name.startswith("avg") else "compare": (_area(name, args) - 1) * result.numel()}


def _area(name: str, args: tuple[Any, ...]) -> int:
    rank = int(name[name.index("pool") + 4])
    kernel = list(args[1]) if isinstance(args[1], list | tuple) else [args[1]]
    return math.prod(kernel * rank if len(kernel) == 1 else kernel)
