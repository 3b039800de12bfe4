"""Tensors in nests of tuples, lists and dicts: what modules and operations take and put out."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import _disable_current_modes


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


def storage_of(tensor: Tensor) -> torch.UntypedStorage:
    """Return what holds a tensor's numbers; of a sparse one, those that it has."""
    try:
        return tensor.untyped_storage()
    except NotImplementedError:
        if tensor.layout is torch.strided:
            raise  # nothing that is sparse
        disabled: Any = _disable_current_modes
        with disabled():
            held = tensor._values() if tensor.layout is torch.sparse_coo else tensor.values()
        return held.untyped_storage()


def dense(tensor: Tensor) -> Tensor:
    """Return a tensor with its zeros, as it is unless it is sparse."""
    return tensor if tensor.layout is torch.strided else tensor.to_dense()
