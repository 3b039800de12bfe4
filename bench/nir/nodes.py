"""What each node of NIR is here: a function from the node, and the grid it is put on, to a module over sequences."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from bench.errors import BenchError
from bench.models.layers import AvgPool2d, Conv2d, Linear
from bench.nir import neurons
from bench.nir.layers import Conv1d, Delay, Flatten, Scale, SumPool2d

Reader = Callable[[str, Any, "Grid"], nn.Module]


@dataclass(frozen=True)
class Grid:
    """The time step, in the unit of the graph's time constants, None where nobody has said it; and the dtype."""

    dt: float | None
    dtype: torch.dtype

    def dt_of(self, node: str) -> float:
        """Return the time step for a node that needs one. Raises BenchError where there is none."""
        if self.dt is None:
            raise BenchError(f"node '{node}' needs a time step: the graph's metadata has no 'dt'; pass dt to from_nir")
        return self.dt

    def tensor(self, values: Any) -> Tensor:
        """Return an array's numbers in the dtype."""
        return torch.from_numpy(np.array(values)).to(self.dtype)


def _array(values: Any) -> neurons.Array:
    return np.asarray(values, dtype=np.float64)


def _sizes(value: Any, rank: int) -> Any:
    """Return a size of a window for each axis, or the word that stands for a padding."""
    if isinstance(value, str | bytes):
        return value if isinstance(value, str) else value.decode()
    given = [int(each) for each in np.atleast_1d(value)]
    return tuple(given * rank if len(given) == 1 else given)


def _convolution(layer: type[nn.Conv1d] | type[nn.Conv2d], rank: int) -> Reader:
    def read(name: str, node: Any, grid: Grid) -> nn.Module:
        weight, bias = grid.tensor(node.weight), node.bias
        if weight.dim() != rank + 2:
            raise BenchError(
                f"node '{name}': a weight of {rank + 2} axes is expected, not of shape {node.weight.shape}"
            )
        sizes = {word: _sizes(getattr(node, word), rank) for word in ("stride", "padding", "dilation")}
        made = nn.utils.skip_init(
            layer,
            weight.shape[1] * int(node.groups),
            weight.shape[0],
            tuple(weight.shape[2:]),
            groups=int(node.groups),
            bias=bias is not None,
            dtype=grid.dtype,
            **sizes,
        )
        return _filled(name, made, weight, None if bias is None else grid.tensor(bias))

    return read


def _linear(name: str, node: Any, grid: Grid) -> nn.Module:
    weight, bias = grid.tensor(node.weight), getattr(node, "bias", None)
    if weight.dim() != 2:
        raise BenchError(f"node '{name}': a weight of 2 axes is expected, not of shape {node.weight.shape}")
    made = nn.utils.skip_init(Linear, weight.shape[1], weight.shape[0], bias=bias is not None, dtype=grid.dtype)
    return _filled(name, made, weight, None if bias is None else grid.tensor(bias))


def _filled(name: str, layer: Any, weight: Tensor, bias: Tensor | None) -> nn.Module:
    with torch.no_grad():
        layer.weight.copy_(weight)
        if bias is not None:
            if bias.shape != layer.bias.shape:
                raise BenchError(f"node '{name}': a bias of shape {tuple(bias.shape)} for {weight.shape[0]} outputs")
            layer.bias.copy_(bias)
    filled: nn.Module = layer
    return filled


def _pool(made: Callable[..., nn.Module]) -> Reader:
    def read(name: str, node: Any, grid: Grid) -> nn.Module:
        window, stride, padding = (_sizes(size, 2) for size in (node.kernel_size, node.stride, node.padding))
        if any(2 * pad > size for pad, size in zip(padding, window, strict=True)):
            raise BenchError(f"node '{name}': a padding of {padding} is more than half of its window {window}")
        return made(window, stride, padding)

    return read


def _flatten(name: str, node: Any, grid: Grid) -> nn.Module:
    return Flatten(int(node.start_dim), int(node.end_dim))


def _scale(name: str, node: Any, grid: Grid) -> nn.Module:
    return Scale(grid.tensor(node.scale))


def _delay(name: str, node: Any, grid: Grid) -> nn.Module:
    steps = _array(node.delay) / grid.dt_of(name)
    whole = np.round(steps)
    if not (np.isfinite(steps).all() and (whole >= 0).all() and np.allclose(steps, whole, rtol=1e-6, atol=0)):
        raise BenchError(
            f"node '{name}': a delay should be a whole number of time steps of {grid.dt}, and none negative"
        )
    return Delay(torch.from_numpy(whole).to(torch.int64))


def _population(cls: Callable[..., nn.Module], *fields: str, timeless: bool = False) -> Reader:
    def read(name: str, node: Any, grid: Grid) -> nn.Module:
        values = {word: _array(getattr(node, word)) for word in fields}
        shapes = {value.shape for value in values.values()}
        if len(shapes) > 1:
            raise BenchError(f"node '{name}': its parameters differ in shape: {', '.join(map(str, sorted(shapes)))}")
        time = {} if timeless else {"dt": grid.dt_of(name)}
        return cls(**values, **time, node=name, dtype=grid.dtype)

    return read


_LEAKY, _CUBA, _FIRES = (
    ("tau", "r", "v_leak"),
    ("tau_syn", "tau_mem", "r", "v_leak", "w_in"),
    ("v_threshold", "v_reset"),
)
READERS: dict[str, Reader] = {
    "Affine": _linear,
    "Linear": _linear,
    "Conv1d": _convolution(Conv1d, 1),
    "Conv2d": _convolution(Conv2d, 2),
    "AvgPool2d": _pool(AvgPool2d),
    "SumPool2d": _pool(SumPool2d),
    "Flatten": _flatten,
    "Scale": _scale,
    "Delay": _delay,
    "Threshold": _population(neurons.Threshold, "threshold", timeless=True),
    "I": _population(neurons.I, "r"),
    "IF": _population(neurons.IF, "r", *_FIRES),
    "LI": _population(neurons.LI, *_LEAKY),
    "LIF": _population(neurons.LIF, *_LEAKY, *_FIRES),
    "CubaLI": _population(neurons.CubaLI, *_CUBA),
    "CubaLIF": _population(neurons.CubaLIF, *_CUBA, *_FIRES),
}
UNDERSTOOD = tuple(sorted([*READERS, "Input", "Output", "NIRGraph"]))
