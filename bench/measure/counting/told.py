"""The axes of an input as the network itself tells them: by its first layer, where that is handed the input."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from bench.errors import BenchError
from bench.measure.counting.axes import Run, without_data
from bench.measure.counting.batch import LAYOUTS, Layout
from bench.measure.counting.geometry import SYNAPTIC
from bench.measure.counting.nests import first_tensor
from bench.measure.mode import device_of
from bench.models import layers

# These read sequences. Samples have an axis of their own there, and without it are steps of a single one.
_READERS = (nn.RNNBase, nn.MultiheadAttention, nn.TransformerEncoderLayer, nn.TransformerDecoderLayer)


def confirmed_layout(model: nn.Module, fresh: Callable[[], Any], x: Tensor, run: Run) -> Layout:
    """Return the layout that the network itself tells for an input x. Raises BenchError where it does not.

    Its first layer tells: one of this package takes [T, N, ...]; one of torch that x fits with a single axis in front
    takes samples. It has to be handed the input, and before any layer that reads sequences: a network may take its
    input apart, move axes or make time, so nothing else is taken for an answer, but a network's own `input_layout`.
    fresh: makes a copy of the batch that x is of, for `run(model, batch)`.
    """
    stated: Layout | None = getattr(model, "input_layout", None)
    if stated is not None and stated in LAYOUTS:
        return stated
    name, first = next(((name, each) for name, each in model.named_modules() if isinstance(each, SYNAPTIC)), ("", None))
    fitting = None if first is None else _fitting(first, x)
    if fitting is not None:
        watch = _Watch(name, x.shape[1 if fitting == "TN" else 0])
        seen = _seen(model, watch, fresh, device_of(model, x), run)
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


@dataclass
class _Watch:
    """Hooks that see what the layer called `first` is handed first, and whether readers of sequences keep samples."""

    first: str
    samples: int
    seen: list[tuple[int, ...]] = field(default_factory=list)  # of the first layer
    apart: bool = False  # a reader is before it, or reads other sequences than those of the samples
    hooks: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)

    def put_on(self, network: nn.Module) -> None:
        """Hook a network, or a copy of it, that is about to run."""
        self.seen.clear()
        self.apart = False
        for name, module in network.named_modules():
            note: Any = self._layer if name == self.first else None
            note = self._reader if isinstance(module, (*_READERS, nn.RNNCellBase)) else note
            if note is not None:
                self.hooks.callback(module.register_forward_pre_hook(note, with_kwargs=True).remove)

    def _layer(self, module: nn.Module, args: Any, kwargs: Any) -> None:
        x = first_tensor((args, kwargs))
        self.seen.append(() if x is None else tuple(x.shape))

    def _reader(self, module: Any, args: Any, kwargs: Any) -> None:
        x = first_tensor((args, kwargs))
        cell = isinstance(module, nn.RNNCellBase)
        axis = 0 if cell or getattr(getattr(module, "self_attn", module), "batch_first", False) else 1
        single = x is None or x.dim() < (2 if cell else 3) or x.shape[axis] % self.samples != 0
        self.apart = self.apart or single or not self.seen


def _seen(model: nn.Module, watch: _Watch, fresh: Callable[[], Any], device: torch.device, run: Run) -> Any:
    """Return the shape that the watched layer is handed, None where it tells nothing; run without data if possible."""
    with watch.hooks:
        if not without_data(model, fresh(), run, watch.put_on):
            watch.put_on(model)
            with torch.random.fork_rng([device] if device.type == "cuda" else []):
                run(model, fresh())
    return watch.seen[0] if watch.seen and not watch.apart else None
