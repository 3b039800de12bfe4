"""Which axes of what a module puts out have the samples and the timesteps: those that grow with them.

The network is run on tensors without data, of two and of three samples, of as many timesteps and of one more, so that
nothing is guessed from numbers that happen to be equal or to divide each other.
"""

from __future__ import annotations

import copy
import logging
import warnings
from collections import Counter
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode

from bench.measure.counting.handed import mapped, tensors_in
from bench.measure.counting.nests import first_tensor, tensors

Run = Callable[[nn.Module, Any], Any]
_FEW, _MORE = 2, 3


def batch_axes(model: nn.Module, batch: Any, samples: int, run: Run) -> dict[tuple[str, int], int]:
    """Return the axis of the samples in what every call of a module takes and puts out, by name and call.

    batch: an input with `samples` on the first axis of its tensors, which `run(model, batch)` hands to the network.
    Empty where the network does not run without data, as where it looks at values.
    """
    few, more = (_shapes(model, resized(batch, samples, size), run) for size in (_FEW, _MORE))
    return _grown(few or {}, more or {}, _FEW, _MORE)


def single_steps(
    model: nn.Module, batch: Any, samples: int, timesteps: int, samples_axis: int, run: Run
) -> dict[tuple[str, int], int]:
    """Return, as `batch_axes`, the calls whose samples are in front and that see one timestep of an input of several.

    samples_axis: of the input, 0 or 1; the other one has the timesteps. Empty where no step can be taken for a
    sequence: nothing in the network is as large as there are timesteps.
    """
    if timesteps not in {samples, *(extent for parameter in model.parameters() for extent in parameter.shape)}:
        return {}
    small = resized(batch, samples, _FEW, samples_axis)
    few = _shapes(model, small, run)
    more = _shapes(model, resized(batch, samples, _MORE, samples_axis), run)
    if few is None or more is None:
        return {}
    longer = _shapes(model, resized(small, timesteps, timesteps + 1, 1 - samples_axis), run)
    if longer is None:  # it runs for so many timesteps alone: what is called in each sees one
        calls = Counter(name for name, _ in few)
        steps = {key for key in few if calls[key[0]] >= timesteps}
    else:
        steps = few.keys() - _grown(few, longer, timesteps, timesteps + 1).keys()
    return {key: axis for key, axis in _grown(few, more, _FEW, _MORE).items() if axis == 0 and key in steps}


Shapes = Mapping[tuple[str, int], tuple[int, ...]]  # of what every call of a module takes or puts out


def _grown(smaller: Shapes, larger: Shapes, low: int, high: int) -> dict[tuple[str, int], int]:
    """Return of each shape the one axis that has grown from low to high, where there is one."""
    found = {}
    for key, small in smaller.items():
        large = larger.get(key, ())
        grown = [at for at, (a, b) in enumerate(zip(small, large, strict=False)) if a * high == b * low and a != b]
        if len(small) == len(large) and len(grown) == 1:
            found[key] = grown[0]
    return found


def resized(value: Any, extent: int, size: int, axis: int = 0) -> Any:
    """Return an input with `size` in place of `extent` on this axis of every tensor that has it."""

    def rows(x: Tensor) -> Tensor:
        chosen = torch.arange(size, device=x.device) % extent
        return x.index_select(axis, chosen) if x.dim() > axis and x.shape[axis] == extent else x

    return mapped(value, rows)


def without_data(model: nn.Module, batch: Any, run: Run, watch: Callable[[nn.Module], None]) -> bool:
    """Run a copy of a network that has shapes and no data; return whether it came to its end.

    watch: puts hooks on the copy. It does not come to its end where it looks at numbers, which are not there. What it
    warns of here, it warns of where it runs on the numbers themselves.
    """
    logger = logging.getLogger("torch._subclasses.fake_tensor")  # says at length what is no error here
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        with warnings.catch_warnings(), FakeTensorMode(allow_non_fake_inputs=True) as fake:
            warnings.simplefilter("ignore")
            ghost = _ghost(model, fake)
            for module in ghost.modules():
                module._forward_hooks.clear()  # somebody's own, which might keep what has no data
            watch(ghost)
            run(ghost, _faked(batch, fake))
    except (RuntimeError, TypeError, ValueError, AttributeError, LookupError, ArithmeticError, AssertionError):
        return False
    finally:
        logger.setLevel(level)
    return True


def _shapes(model: nn.Module, batch: Any, run: Run) -> Shapes | None:
    """Return the shapes of all calls; None where the network does not run on numbers that are not there."""
    found: dict[tuple[str, int], tuple[int, ...]] = {}
    calls: dict[str, int] = {}

    def note(name: str, module: nn.Module, args: Any, kwargs: Any, output: Any) -> None:
        call = calls.get(name, 0)
        calls[name] = call + 1
        seen = first_tensor((args, kwargs)) if isinstance(module, nn.Linear) else first_tensor(output)
        found[name, call] = () if seen is None else tuple(seen.shape)

    def watch(network: nn.Module) -> None:
        for name, module in network.named_modules():
            module.register_forward_hook(partial(note, name), with_kwargs=True)

    return found if without_data(model, batch, run, watch) else None


def _ghost(model: nn.Module, fake: FakeTensorMode) -> nn.Module:
    """Return a copy of a network whose parameters, buffers and kept states have shapes and no data."""
    held = [
        *model.parameters(),
        *model.buffers(),
        *tensors([list(vars(module).values()) for module in model.modules()]),
    ]
    return copy.deepcopy(model, {id(tensor): fake.from_tensor(tensor) for tensor in held})


def _faked(value: Any, fake: FakeTensorMode) -> Any:
    kept = {id(tensor): fake.from_tensor(tensor) for tensor in tensors_in(value)}
    return mapped(value, lambda tensor: kept[id(tensor)])
