"""Sums over axes and into places, and what becomes of the first axis of a tensor."""

from __future__ import annotations

from typing import Any

from torch import Tensor

REDUCTIONS = frozenset(["sum", "mean"])

_SEARCHES = frozenset(
    "max amax min amin aminmax median nanmedian prod any all logsumexp var var_mean std linalg_vector_norm topk"
    " mode".split()
)

# What arrives at one place is added up.
SCATTERED_SUMS = frozenset(["index_add", "scatter_add"])


def moves_first_axis(name: str, args: tuple[Any, ...]) -> bool:
    """Whether the first axis of a tensor goes elsewhere."""
    if name == "transpose":
        rank = args[0].dim()
        return rank > 0 and args[1] % rank != args[2] % rank and 0 in (args[1] % rank, args[2] % rank)
    if name == "permute":
        return bool(args[1]) and args[1][0] % args[0].dim() != 0
    return name == "t" and args[0].dim() == 2


def reduced_axes(name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> set[int]:
    """Return the axes of a tensor of several that are summed up, or searched for the largest or the like."""
    if name not in REDUCTIONS and name not in _SEARCHES:
        return set()
    at = 2 if name in ("linalg_vector_norm", "topk") else 1
    axes = args[at] if len(args) > at else kwargs.get("dim")
    axes, rank = [axes] if isinstance(axes, int) else axes, args[0].dim()
    return {axis % rank for axis in axes} if isinstance(axes, list | tuple) and rank > 1 else set()


def places(args: tuple[Any, ...]) -> int:
    """Return how many values index_add(x, dim, index, values), scatter_add and index_put(x, indices, values) add."""
    if isinstance(args[1], list | tuple):
        return int(args[0][tuple(slice(None) if index is None else index for index in args[1])].numel())
    values = args[3]
    by_index = not isinstance(values, Tensor) or args[2].dim() == values.dim() > 1
    return int(args[2].numel() if by_index else values.numel())
