"""The axes of an input as the network itself tells them: by its first layer, where that is handed the input."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from bench.errors import BenchError
from bench.measure.counting.axes import Run, without_data
from bench.measure.counting.batch import LAYOUTS, Layout
from bench.measure.counting.geometry import SYNAPTIC
from bench.measure.counting.nests import first_tensor
from bench.models import layers

# These take one sequence of so many axes, in which what looks like samples are its steps.
_SEQUENCE: dict[type[nn.Module], int] = {
    nn.RNNCellBase: 1,
    nn.RNNBase: 2,
    nn.MultiheadAttention: 2,
    nn.TransformerEncoderLayer: 2,
    nn.TransformerDecoderLayer: 2,
}


def confirmed_layout(model: nn.Module, fresh: Callable[[], Any], x: Tensor, run: Run) -> Layout:
    """Return the layout that the network itself tells for an input x. Raises BenchError where it does not.

    Its first layer tells: one of this package takes [T, N, ...]; one of torch that x fits with a single axis in front
    takes samples. It has to be handed the input, and before any layer that reads sequences: a network may take its
    input apart, move axes or make time, so nothing else is taken for an answer.
    fresh: makes a copy of the batch that x is of, for `run(model, batch)`.
    """
    name, first = next(((name, each) for name, each in model.named_modules() if isinstance(each, SYNAPTIC)), ("", None))
    fitting = None if first is None else _fitting(first, x)
    if fitting is not None:
        seen = _seen(model, name, fresh, x.device, run)
        if seen is not None and _is_the_input(fitting, first, seen, tuple(x.shape)):
            return fitting
    choices = "; ".join(f"layout='{name}': {words}" for name, words in LAYOUTS.items())
    raise BenchError(
        f"an input of shape {tuple(x.shape)}: which of its axes are timesteps and samples? Say {choices}; a single "
        "sequence needs an axis of one sample"
    )


def _fitting(first: Any, x: Tensor) -> Layout | None:
    rank = 0 if isinstance(first, nn.Linear) else len(first.kernel_size)
    if type(first).__module__ == layers.__name__ and x.dim() >= 3:
        return "TN"
    if x.dim() == rank + 2 and (rank == 0 or x.shape[1] == first.in_channels):
        return "N"
    return None


def _is_the_input(layout: Layout, first: Any, seen: tuple[int, ...], shape: tuple[int, ...]) -> bool:
    """Whether a layer that was handed the shape `seen` was handed the input.

    It may be repeated over time, folded into the samples, and frames may be padded or resized.
    """
    if layout == "TN":
        return len(seen) >= 3 and seen[:2] == shape[:2]
    sizes = slice(1, None if isinstance(first, nn.Linear) else 2)
    return len(seen) == len(shape) and seen[0] % shape[0] == 0 and seen[sizes] == shape[sizes]


def _seen(
    model: nn.Module, first: str, fresh: Callable[[], Any], device: torch.device, run: Run
) -> tuple[int, ...] | None:
    """Return the shape that the layer called `first` is handed first; None where a reader of sequences is before it.

    And where any of these is handed a single sequence. The network is run without data if it can be.
    """
    calls: list[tuple[str, tuple[int, ...], int]] = []
    with contextlib.ExitStack() as hooks:

        def note(name: str, axes: int, module: nn.Module, args: Any, kwargs: Any) -> None:
            x = first_tensor((args, kwargs))
            calls.append((name, () if x is None else tuple(x.shape), axes))

        def watch(network: nn.Module) -> None:
            calls.clear()
            for name, module in network.named_modules():
                axes = next((axes for kind, axes in _SEQUENCE.items() if isinstance(module, kind)), 0)
                if name == first or axes:
                    hook = module.register_forward_pre_hook(partial(note, name, axes), with_kwargs=True)
                    hooks.callback(hook.remove)

        if not without_data(model, fresh(), run, watch):
            watch(model)
            with torch.random.fork_rng([device] if device.type == "cuda" else []):
                run(model, fresh())
    if not calls or calls[0][0] != first or any(0 < len(shape) <= axes for _, shape, axes in calls):
        return None
    return calls[0][1]
