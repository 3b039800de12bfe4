"""Tensors in nests of tuples, lists and dicts: what modules and operations take and put out."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from torch import Tensor


def tensors(value: Any) -> Iterator[Tensor]:
    """Yield the tensors in a nest of tuples, lists and dicts."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, list | tuple):
        for item in value:
            yield from tensors(item)
    elif isinstance(value, dict):
        yield from tensors(list(value.values()))


def first_tensor(value: Any) -> Tensor | None:
    """Return the first tensor in a nest of tuples, lists and dicts."""
    found = next(tensors(value), None)
    return found if isinstance(found, Tensor) else None
