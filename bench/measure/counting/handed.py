"""What is handed to a network: a batch of any nest, a copy of it for every run, and how a network takes it."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable, Mapping, MutableMapping
from typing import Any

import torch
from torch import Tensor, nn

from bench.errors import BenchError, DataError
from bench.sequences import repeat, repeated_frame


def mapped(value: Any, change: Callable[[Tensor], Tensor]) -> Any:
    """Return a nest of tuples, lists and mappings with `change(tensor)` in place of every tensor."""
    if isinstance(value, Tensor):
        return change(value)
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*(mapped(item, change) for item in value))
    if isinstance(value, list | tuple):
        return type(value)(mapped(item, change) for item in value)
    if not isinstance(value, Mapping):
        return value
    items = {key: mapped(item, change) for key, item in value.items()}
    if isinstance(value, dict) or not isinstance(value, MutableMapping):
        return items
    kept = copy.copy(value)  # somebody's own kind, whose attributes the network may ask for
    kept.update(items)
    return kept


def tensors_in(value: Any) -> list[Tensor]:
    """Return the tensors in a nest of tuples, lists and mappings."""
    found: list[Tensor] = []

    def seen(tensor: Tensor) -> Tensor:
        found.append(tensor)
        return tensor

    mapped(value, seen)
    return found


def input_of(batch: Any) -> Tensor:
    """Return the first tensor of a batch. Raises DataError where it has none."""
    found = tensors_in(batch)
    if not found:
        kind = type(batch).__name__
        raise DataError(
            f"a batch should be a tensor, a tuple that starts with one or a dict, not {kind}; of anything else give "
            f"the tensors, as a tuple or a dict, and let forward=, a function of model and batch, make a {kind} of them"
        )
    return found[0]


def fresh(batch: Any, device: torch.device) -> Any:
    """Return a copy of a batch on a device, which a network may change in place."""
    copies: dict[int, Tensor] = {}

    def copied(tensor: Tensor) -> Tensor:
        if id(tensor) not in copies:
            moved = tensor.to(device)
            copies[id(tensor)] = _copied(moved) if moved is tensor else moved
        return copies[id(tensor)]

    return mapped(batch, copied)


def _copied(x: Tensor) -> Tensor:
    """Return a copy in the same memory format: what shows one value in many places is copied once."""
    frame = repeated_frame(x) if x.dim() else None
    if frame is not None:
        return repeat(_copied(frame), x.shape[0])
    if x.layout != torch.strided or 0 not in x.stride():
        return x.clone().requires_grad_(x.requires_grad)
    once = tuple(slice(1) if stride == 0 else slice(None) for stride in x.stride())
    return x[once].clone().expand(x.shape).requires_grad_(x.requires_grad)


def hand_over(model: nn.Module, batch: Any) -> Any:
    """Hand a batch to a network: a mapping by keyword, of a tuple or list the first item.

    Raises BenchError where the network takes other arguments.
    """
    args: tuple[Any, ...] = (batch,)
    named: dict[str, Any] = {}
    if isinstance(batch, Mapping):
        args, named = (), dict(batch)
    elif isinstance(batch, list | tuple) and batch and not hasattr(batch, "_fields"):
        args = (batch[0],)
    try:
        return model(*args, **named)
    except TypeError:
        refused = _refused(model, args, named)
        if not refused:
            raise
        raise BenchError(
            f"{type(model).__name__}.forward: {refused}; of a tuple or list the first item is handed over, a dict by "
            "keyword: give dicts with all that the network takes, or say forward=, a function of model and batch"
        ) from None


def _refused(model: nn.Module, args: tuple[Any, ...], named: Mapping[str, Any]) -> str:
    """Say what keeps a network from being called so, or nothing."""
    try:
        signature = inspect.signature(model.forward)
    except (TypeError, ValueError):  # it has none that can be read
        return ""
    try:
        signature.bind(*args, **named)
    except TypeError as error:
        return str(error)
    return ""


def equal(one: Tensor, other: Tensor) -> bool:
    """Whether two outputs are the same, numbers that are none among them."""
    if one.shape != other.shape or one.dtype != other.dtype:
        return False
    if torch.equal(one, other):
        return True
    if not (one.is_floating_point() or one.is_complex()):
        return False
    nowhere = one.isnan()
    return torch.equal(nowhere, other.isnan()) and torch.equal(one[~nowhere], other[~nowhere])
