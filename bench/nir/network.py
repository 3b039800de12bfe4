"""A network as a graph of named modules over sequences: what comes in is the sum of what its sources give."""

from __future__ import annotations

import functools
import operator
from collections.abc import Iterable, Mapping, Sequence
from graphlib import CycleError, TopologicalSorter
from typing import Any

import torch
from torch import Tensor, nn

from bench.errors import BenchError
from bench.neurons.base import Neuron, State
from bench.nir.layers import Delay

Sources = Mapping[str, Sequence[str]]


class InLoop(nn.Module):
    """A neuron that is called once a timestep, its state handed to it; it keeps the contract of the one it holds."""

    def __init__(self, neuron: Neuron) -> None:
        super().__init__()
        self.neuron, self.spiking, self.name = neuron, neuron.spiking, neuron.name
        self.initial_state, self.step = neuron.initial_state, neuron.step

    def forward(self, x: Tensor, state: State | None) -> tuple[Tensor, State]:
        """Advance one timestep: x [1, N, ...] and the state, None at first -> spikes [1, N, ...] and the state."""
        out, state = self.neuron.step(x[0], self.neuron.initial_state(x[0]) if state is None else state)
        return out.unsqueeze(0), state


class Network(nn.Module):
    """Named modules, each over sequences [T, N, ...], and what feeds what.

    modules: by name; None hands on what it gets.  sources: the names that feed each; several are added in their order.
    entry, output: the names where x comes in and the result is taken.  shape: of one sample at one timestep, or None.
    A cycle needs one neuron, whose output comes back a timestep later, 0 at first.
    Raises BenchError for a cycle of another kind and for a module that nothing feeds.
    """

    input_layout = "TN"  # which `count_operations` need not be told

    def __init__(
        self,
        modules: Mapping[str, nn.Module | None],
        sources: Sources,
        ends: tuple[str, str],
        shape: tuple[int, ...] | None = None,
    ) -> None:
        super().__init__()
        self.entry, self.output = ends
        self.shape, self.sources = shape, sources
        for name in modules:
            if name != self.entry and not sources.get(name):
                raise BenchError(f"node '{name}': nothing feeds it, and it is no Input")
        self.order = [_Part(names, modules, sources) for names in _in_order(sources, list(modules))]
        self.nodes = dict(modules)
        self.parts = nn.ModuleDict()
        self._keys: dict[str, str] = {}
        looped = {part.neuron for part in self.order}
        for name, module in modules.items():
            if module is not None:
                self._keys[name] = self._free_key(name)
                self.parts[self._keys[name]] = InLoop(module) if name in looped else module  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> Tensor:
        """Map x [T, N, ...] to [T, N, ...]. Raises BenchError for an input of another shape than the graph's."""
        return self.values(x)[self.output]

    def values(self, x: Tensor) -> dict[str, Tensor]:
        """Return what every node gives for x [T, N, ...], by name."""
        if self.shape is not None and tuple(x.shape[2:]) != self.shape:
            raise BenchError(f"expected x [T, N, {', '.join(map(str, self.shape))}], not one of shape {tuple(x.shape)}")
        values = {self.entry: x}
        for part in self.order:
            if part.neuron is not None:
                values |= self._loop(part, part.neuron, values)
            elif part.names[0] != self.entry:
                [name] = part.names
                values[name] = self._call(name, self._sum(name, values))
        return values

    def _sum(self, name: str, values: Mapping[str, Tensor]) -> Tensor:
        given = [values[source] for source in self.sources[name]]
        shapes = {tuple(each.shape[2:]) for each in given}
        if len(shapes) > 1:
            told = " and ".join(map(str, sorted(shapes)))
            raise BenchError(f"node '{name}': cannot add inputs of different shapes, {told}")
        return functools.reduce(operator.add, given)

    def _call(self, name: str, *given: Any) -> Any:
        return self.parts[self._keys[name]](*given) if name in self._keys else given[0]

    def _loop(self, part: _Part, neuron: str, outside: Mapping[str, Tensor]) -> dict[str, Tensor]:
        timesteps, samples = outside[self.entry].shape[:2]
        inner: Any = self.parts[self._keys[neuron]]
        back = outside[self.entry].new_zeros(1, samples, *inner.neuron.shape)
        state: State | None = None
        found: dict[str, list[Tensor]] = {name: [] for name in part.names}
        entering = {source for name in part.names for source in self.sources[name]} - set(part.names)
        for t in range(timesteps):
            now = {name: outside[name][t : t + 1] for name in entering} | {neuron: back}
            for name in part.names:  # the neuron comes last
                if name == neuron:
                    now[name], state = self._call(name, self._sum(name, now), state)
                else:
                    now[name] = self._call(name, self._sum(name, now))
                found[name].append(now[name])
            back = now[neuron]
        return {name: torch.cat(steps) for name, steps in found.items()}

    def _free_key(self, name: str) -> str:
        # torch takes no dot in a module's name, nor the name of one of its own attributes.
        key = name.replace(".", "_").replace("/", "_") or "_"
        while key in self.parts or hasattr(self.parts, key):
            key += "_"
        return key


class _Part:
    """What is run together: one node, or the nodes of a cycle with their one neuron, which comes last."""

    def __init__(self, names: list[str], modules: Mapping[str, nn.Module | None], sources: Sources) -> None:
        self.neuron: str | None = None
        self.names = names
        if len(names) == 1 and names[0] not in sources.get(names[0], ()):
            return
        cycle = ", ".join(f"'{name}'" for name in names)
        neurons = [name for name in names if isinstance(modules[name], Neuron)]
        if len(neurons) != 1:
            raise BenchError(f"a cycle through {len(neurons)} neurons is not understood, only one through one: {cycle}")
        for name in names:
            if isinstance(modules[name], Delay):
                raise BenchError(f"node '{name}': a delay in a cycle is not understood: {cycle}")
        [self.neuron] = neurons
        without = {name: [s for s in sources[name] if s in names and s != self.neuron] for name in names}
        try:
            order = list(TopologicalSorter(without).static_order())
        except CycleError as error:
            raise BenchError(f"a cycle without a neuron in it is not understood: {cycle}") from error
        self.names = [*(name for name in order if name != self.neuron), self.neuron]


def _in_order(sources: Sources, names: list[str]) -> Iterable[list[str]]:
    """Return the nodes, those of a cycle together, so that each comes after its sources."""
    reached = {name: _upstream(name, sources) for name in names}
    together = {
        name: next(other for other in names if other == name or (other in reached[name] and name in reached[other]))
        for name in names
    }
    members: dict[str, list[str]] = {}
    for name in names:
        members.setdefault(together[name], []).append(name)
    feeding = {
        head: {together[source] for name in group for source in sources.get(name, ())} - {head}
        for head, group in members.items()
    }
    return [members[head] for head in TopologicalSorter(feeding).static_order()]


def _upstream(name: str, sources: Sources) -> set[str]:
    found: set[str] = set()
    queue = [name]
    while queue:
        for source in sources.get(queue.pop(), ()):
            if source not in found:
                found.add(source)
                queue.append(source)
    return found
