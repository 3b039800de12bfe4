"""Neurons of other libraries: modules that make spikes, told from the operations in them on the first batch."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Iterator
from functools import partial
from typing import Any

import torch
from torch import nn

from bench.measure.counting.batch import Batch, Key
from bench.measure.counting.hooks import within
from bench.measure.counting.neurons import NeuronTally, Profile
from bench.measure.counting.outside import makes_spikes
from bench.measure.counting.tape import Node, first_tensor, spans, total_cost

_UNKNOWN = Profile({}, 0)


def open_modules(modules: Collection[str], counted: Collection[str]) -> dict[str, bool]:
    """Return every other module that is outside counted ones, with whether it may be one neuron of another library.

    That is an outermost module that holds no counted module: counted modules are neurons or synapses themselves.
    """
    inside = {name for name in modules if any(within(name, c) for c in counted)}
    holders = {name for name in modules if any(within(c, name) for c in counted)}
    found: dict[str, bool] = {}
    for name in modules:
        if name in inside:
            continue
        parent = name.rpartition(".")[0]
        outermost = name not in holders and (name == "" or parent in holders or parent not in found)
        found[name] = outermost
    return found


def state_words(module: nn.Module, units: int) -> int:
    """Guess the state variables of a foreign neuron: the tensors of its own size that it keeps between calls."""
    kept = 0
    for part in module.modules():
        held = {**vars(part), **part._buffers, **vars(part).get("_memories", {})}.values()
        sizes = [value.numel() for value in held if isinstance(value, torch.Tensor)]
        kept += sum(size >= max(units, 2) and size % units == 0 for size in sizes)
    return kept


class ForeignNeurons:
    """The hooks of the open modules. Those that may be a neuron are tallied among `neurons` until the tape decides."""

    def __init__(self, candidates: dict[str, bool], batch: Batch, neurons: dict[Key, NeuronTally]) -> None:
        self.candidates, self.batch, self.neurons = candidates, batch, neurons

    def hooks(self, name: str, module: nn.Module) -> Iterator[Any]:
        """Hook one open module; yield the handles."""
        yield module.register_forward_pre_hook(partial(self._enter, name))
        yield module.register_forward_hook(partial(self._leave, name))

    def _enter(self, name: str, module: nn.Module, args: Any) -> None:
        if self.batch.tape is not None:
            self.batch.tape.path.append(name)

    def _leave(self, name: str, module: nn.Module, args: Any, output: Any) -> None:
        tape = self.batch.tape
        if tape is not None:
            tape.path.pop()
        y = first_tensor(output)
        if self.batch.idle or y is None or not self.candidates[name]:
            return
        split = spans(tuple(y.shape), self.batch.samples, self.batch.timesteps)
        if split is None:
            return
        passes, shape = split[0] * self.batch.samples, split[1]
        tally = self.neurons.get((name, shape))
        if tape is None:
            if tally is not None:
                tally.add(y, passes)
            return
        if tally is None:
            tally = NeuronTally(name, type(module).__name__.lower(), True, shape, _UNKNOWN)
            self.neurons[(name, shape)] = tally
        value = tape.value(y)
        if value is None or not value.discrete:
            tally.spiking = False
        with tape.paused():
            tally.add(y, passes)

    def settle(self, nodes: Iterable[Node], modules: dict[str, nn.Module]) -> list[Node]:
        """Keep the modules that made spikes as neurons, the others not; return the nodes that belong to none."""
        rest = list(nodes)
        for name in [name for name, may_be_one in self.candidates.items() if may_be_one]:
            tallies = {key: tally for key, tally in self.neurons.items() if key[0] == name}
            inside = [node for node in rest if within(node.where, name)]
            updates = sum(tally.passes * max(1, math.prod(tally.shape)) for tally in tallies.values())
            known = all(node.cost is not None for node in inside)
            if not (tallies and known and all(t.spiking for t in tallies.values()) and makes_spikes(inside)):
                for key in tallies:
                    del self.neurons[key]
                continue
            rest = [node for node in rest if node not in inside]
            cost = {word: count / updates for word, count in total_cost(inside).items()}
            for (_, shape), tally in tallies.items():
                tally.profile = Profile(cost, state_words(modules[name], math.prod(shape)))
        return rest
