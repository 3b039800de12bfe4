"""Which axis of what a module puts out has the samples: the one that grows with them.

The network is run twice on tensors without data, of two and of three samples, so that nothing is guessed from a number
of samples that happens to divide a number of timesteps.
"""

from __future__ import annotations

import copy
import logging
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode

from bench.measure.counting.nests import first_tensor, tensors

Run = Callable[[nn.Module, Any], Any]
_FEW, _MORE = 2, 3


def batch_axes(model: nn.Module, batch: Any, samples: int, run: Run) -> dict[tuple[str, int], int]:
    """Return the axis of the samples in what every call of a module takes and puts out, by name and call.

    batch: an input with `samples` on the first axis of its tensors, which `run(model, batch)` hands to the network.
    Empty where the network does not run without data, as where it looks at values.
    """
    logger = logging.getLogger("torch._subclasses.fake_tensor")  # says at length what is no error here
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        few, more = (_shapes(model, resized(batch, samples, size), run) for size in (_FEW, _MORE))
    except (RuntimeError, TypeError, ValueError, AttributeError, NotImplementedError, AssertionError):
        return {}  # whatever a network does with numbers that are not there: the shapes alone decide then
    finally:
        logger.setLevel(level)
    found = {}
    for key, small in few.items():
        large = more.get(key, ())
        grown = [at for at, (a, b) in enumerate(zip(small, large, strict=False)) if a * _MORE == b * _FEW and a != b]
        if len(small) == len(large) and len(grown) == 1:
            found[key] = grown[0]
    return found


def resized(value: Any, samples: int, size: int) -> Any:
    """Return an input with `size` samples on every tensor that has `samples` of them."""
    if isinstance(value, Tensor):
        rows = torch.arange(size, device=value.device) % samples
        return value[rows] if value.dim() and len(value) == samples else value
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*(resized(item, samples, size) for item in value))
    if isinstance(value, list | tuple):
        return type(value)(resized(item, samples, size) for item in value)
    if isinstance(value, Mapping):
        return {key: resized(item, samples, size) for key, item in value.items()}
    return value


def _shapes(model: nn.Module, batch: Any, run: Run) -> dict[tuple[str, int], tuple[int, ...]]:
    found: dict[tuple[str, int], tuple[int, ...]] = {}
    with FakeTensorMode(allow_non_fake_inputs=True) as fake:
        ghost = _ghost(model, fake)
        calls: dict[str, int] = {}

        def note(name: str) -> Callable[..., None]:
            def hook(module: nn.Module, args: Any, kwargs: Any, output: Any) -> None:
                call = calls.get(name, 0)
                calls[name] = call + 1
                seen = first_tensor((args, kwargs)) if isinstance(module, nn.Linear) else first_tensor(output)
                found[name, call] = () if seen is None else tuple(seen.shape)

            return hook

        for name, module in ghost.named_modules():
            module.register_forward_hook(note(name), with_kwargs=True)
        run(ghost, _faked(batch, fake))
    return found


def _ghost(model: nn.Module, fake: FakeTensorMode) -> nn.Module:
    """Return a copy of a network whose parameters, buffers and kept states have shapes and no data."""
    held = [
        *model.parameters(),
        *model.buffers(),
        *tensors([list(vars(module).values()) for module in model.modules()]),
    ]
    return copy.deepcopy(model, {id(tensor): fake.from_tensor(tensor) for tensor in held})


def _faked(value: Any, fake: FakeTensorMode) -> Any:
    kept = {id(tensor): fake.from_tensor(tensor) for tensor in tensors(value)}

    def swapped(item: Any) -> Any:
        if isinstance(item, Tensor):
            return kept[id(item)]
        if isinstance(item, tuple) and hasattr(item, "_fields"):
            return type(item)(*map(swapped, item))
        if isinstance(item, list | tuple):
            return type(item)(map(swapped, item))
        return {key: swapped(each) for key, each in item.items()} if isinstance(item, dict) else item

    return swapped(value)
