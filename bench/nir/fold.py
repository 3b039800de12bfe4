"""A trained network as a graph of the layers that are left at inference: batch norm folded, dropout gone."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, fx, nn

from bench.errors import BenchError, in_one_line
from bench.models.layers import (
    AdaptiveAvgPool2d,
    AvgPool2d,
    BatchNorm1d,
    BatchNorm2d,
    Conv2d,
    Dropout,
    Flatten,
    Linear,
    average_to,
)
from bench.neurons.base import is_neuron
from bench.nir.layers import Conv1d, Scale
from bench.nir.network import Network

ENDS = ("input", "output")
# By exact type: a subclass may compute something else with the same weights.
_SYNAPSE: set[type[Any]] = {Conv1d, Conv2d, Linear, nn.Linear}
_NORM: set[type[Any]] = {BatchNorm1d, BatchNorm2d}
_GONE: set[type[Any]] = {Dropout, nn.Dropout, nn.Identity}


class _Tracer(fx.Tracer):
    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return is_neuron(m) or not any(True for _ in m.children())


def fold(model: nn.Module, shape: Sequence[int]) -> Network:
    """Return what `model` is in eval mode as a graph, its own modules but for those that something is folded into.

    model: maps x [T, N, ...], a sample of `shape` at each timestep.

    Batch norm goes into the convolutions and linear layers before it, or a scale where a shortcut has none; an adaptive
    average pool becomes a plain one, or goes into the linear layer behind it. That is the same arithmetic in real
    numbers, worked out in float64; in float32 the last bits differ.
    Raises BenchError for a forward pass that is more than modules and sums, and where nothing takes what is folded.
    """
    graph = _traced(model)
    whole = Network(graph.modules, graph.sources, ENDS).eval()
    x = torch.randn(2, 1, *shape, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        seen = whole.values(x)
        if not torch.equal(seen["output"], model(x)):
            raise BenchError(f"{type(model).__name__}: its forward pass is more than its layers and sums of them")
    for name in graph.named({AdaptiveAvgPool2d}):
        graph.fold_pool(name, seen[graph.sources[name][0]].shape[-2:])
    for name in graph.named(_NORM):
        graph.fold_norm(name, axes=seen[name].dim() - 3)
    return Network(graph.modules, graph.sources, ENDS, tuple(shape)).eval()


class _Graph:
    """Modules by name, and what feeds them; a sum is several sources."""

    def __init__(self) -> None:
        self.modules: dict[str, nn.Module | None] = {"input": None}
        self.sources: dict[str, tuple[str, ...]] = {"input": ()}

    def named(self, kinds: set[type[Any]]) -> list[str]:
        """Return the names of the modules of some types."""
        return [name for name, module in self.modules.items() if type(module) in kinds]

    def consumers(self, name: str) -> list[str]:
        """Return the names of what a module feeds."""
        return [other for other, sources in self.sources.items() if name in sources]

    def remove(self, name: str) -> None:
        """Take a module out: what it fed gets what fed it."""
        del self.modules[name]
        consumers, given = self.consumers(name), self.sources.pop(name)
        for other in consumers:
            if len(given) > 1 and len(self.sources[other]) > 1:
                raise BenchError(f"'{other}': a sum of sums is not understood")
            self.sources[other] = tuple(
                each for source in self.sources[other] for each in (given if source == name else (source,))
            )

    def fold_norm(self, name: str, axes: int) -> None:
        """Fold a batch norm, its channels followed by so many axes, into what feeds it."""
        scale, shift = _affine(name, self.modules[name])
        given = self.sources[name]
        taking = [each for each in given if type(self.modules[each]) in _SYNAPSE and self.consumers(each) == [name]]
        if not taking:
            raise BenchError(f"'{name}': a batch norm behind {' and '.join(map(repr, given))}, which cannot take it in")
        for index, source in enumerate(taking):
            self.modules[source] = _absorbed(self.modules[source], scale, shift if index == 0 else 0 * shift)
        for source in given:
            if source not in taking:
                scaled = f"{name}_{source}"
                self.modules[scaled] = Scale(scale.float().reshape(-1, *[1] * axes))
                self.sources[scaled] = (source,)
                self.sources[name] = tuple(scaled if each == source else each for each in self.sources[name])
        self.remove(name)

    def fold_pool(self, name: str, before: Sequence[int]) -> None:
        """Fold an adaptive average pool of maps of (height, width) `before`."""
        size = self.modules[name].output_size  # type: ignore[union-attr]
        asked = size if isinstance(size, tuple) else (size, size)
        after = tuple(own or kept for own, kept in zip(asked, before, strict=True))  # type: ignore[call-overload]
        if after == tuple(before):
            self.remove(name)
        elif all(own % new == 0 for own, new in zip(before, after, strict=True)):
            self.modules[name] = AvgPool2d(tuple(own // new for own, new in zip(before, after, strict=True)))  # type: ignore[arg-type]
        else:
            linear = self._linear_behind(name)
            self.modules[linear] = _pooling(self.modules[linear], before, after)
            self.remove(name)

    def _linear_behind(self, name: str) -> str:
        """Return the one linear layer that a pool feeds, all of it."""
        match self.consumers(name):
            case [flat] if type(self.modules[flat]) is Flatten and self.sources[flat] == (name,):
                match self.consumers(flat):
                    case [linear] if type(self.modules[linear]) in (Linear, nn.Linear) and self.sources[linear] == (
                        flat,
                    ):
                        return linear
        raise BenchError(f"'{name}': an adaptive pool to uneven windows, and no linear layer behind it takes it in")


def _traced(model: nn.Module) -> _Graph:
    try:
        traced = _Tracer().trace(model)
    except (fx.proxy.TraceError, TypeError, AttributeError, RuntimeError) as error:
        raise BenchError(
            f"{type(model).__name__}: its forward pass cannot be followed: {in_one_line(error)}"
        ) from error
    found = _Graph()
    given: dict[fx.Node, tuple[str, ...]] = {}
    for node in traced.nodes:
        arguments = [given.get(each, ()) for each in node.args if isinstance(each, fx.Node)]
        if node.op == "placeholder" and not given:
            given[node] = ("input",)
        elif node.op == "call_module" and len(arguments) == len(node.args) == 1 and not node.kwargs:
            module = model.get_submodule(str(node.target))
            given[node] = arguments[0]
            if type(module) not in _GONE:
                found.modules[node.name], found.sources[node.name] = module, arguments[0]
                given[node] = (node.name,)
        elif node.op == "call_function" and node.target is operator.add and len(arguments) == len(node.args) == 2:
            one, other = sorted(arguments, key=len, reverse=True)
            if len(other) > 1:
                raise BenchError(f"'{node.name}': a sum of sums is not understood")
            given[node] = (*one, *other)
        elif node.op == "output" and len(arguments) == 1:
            found.modules["output"], found.sources["output"] = None, arguments[0]
        else:
            raise BenchError(f"{type(model).__name__}: its forward pass is more than layers and sums: '{node.target}'")
    return found


def _affine(name: str, norm: Any) -> tuple[Tensor, Tensor]:
    """Return scale and shift of a batch norm in eval mode, in float64."""
    if norm.running_mean is None:
        raise BenchError(f"'{name}': a batch norm without running averages, whose scale is that of each batch")
    with torch.no_grad():
        mean, variance = norm.running_mean.double(), norm.running_var.double()
        weight = torch.ones_like(mean) if norm.weight is None else norm.weight.double()
        bias = torch.zeros_like(mean) if norm.bias is None else norm.bias.double()
        scale = weight / (variance + norm.eps).sqrt()
        return scale, bias - mean * scale


def _absorbed(layer: Any, scale: Tensor, shift: Tensor) -> nn.Module:
    """Return a layer that gives what `layer` gives, times scale plus shift per channel."""
    with torch.no_grad():
        weight = layer.weight.double() * scale.reshape(-1, *[1] * (layer.weight.dim() - 1))
        bias = shift if layer.bias is None else layer.bias.double() * scale + shift
    return _like(layer, weight, bias)


def _pooling(linear: Any, before: Sequence[int], after: Sequence[int]) -> nn.Module:
    """Return a linear layer of maps `before` that gives what `linear` gives of the maps pooled to `after`."""
    rows, columns = (
        average_to(torch.eye(size, dtype=torch.float64).unsqueeze(-1), new, 1).squeeze(-1)
        for size, new in zip(before, after, strict=True)
    )
    with torch.no_grad():
        weight = linear.weight.double().unflatten(1, (-1, *after))
        spread = torch.einsum("gcij,hi,wj->gchw", weight, rows, columns).flatten(1)
        return _like(linear, spread, None if linear.bias is None else linear.bias.double())


def _like(layer: Any, weight: Tensor, bias: Tensor | None) -> nn.Module:
    """Return a layer of the same kind with this weight and bias, float32."""
    made: Any
    if isinstance(layer, nn.Linear):
        made = nn.utils.skip_init(Linear, weight.shape[1], weight.shape[0], bias=bias is not None)
    else:
        cls = Conv1d if isinstance(layer, nn.Conv1d) else Conv2d
        sizes = {word: getattr(layer, word) for word in ("stride", "padding", "dilation", "groups", "padding_mode")}
        made = nn.utils.skip_init(
            cls, layer.in_channels, layer.out_channels, layer.kernel_size, bias=bias is not None, **sizes
        )
    with torch.no_grad():
        made.weight.copy_(weight)
        if bias is not None:
            made.bias.copy_(bias)
    filled: nn.Module = made
    return filled
