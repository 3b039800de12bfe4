"""Neurons of other libraries: by their class where it is known, or told from the operations in them."""

from __future__ import annotations

import math
from collections import Counter as Multiset
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

import torch
from torch import nn

from bench.measure.counting.batch import Batch, Key
from bench.measure.counting.libraries import is_library_neuron, library_of, makes_zero_states, state_tensors
from bench.measure.counting.libraries import state_words as known_state_words
from bench.measure.counting.nests import first_tensor, tensors
from bench.measure.counting.neurons import NeuronTally, Profile
from bench.measure.counting.nodes import Value
from bench.measure.counting.outside import Work, Works
from bench.measure.counting.roles import within

_UNKNOWN = Profile({}, 0)


class ForeignNeurons:
    """The hooks of modules without a role. Those that may be a neuron are tallied among `neurons` until the end.

    That is a neuron of a known library, whatever it holds, or an outermost module that holds no counted module: counted
    modules are neurons or synapses themselves.
    """

    def __init__(
        self,
        modules: Mapping[str, nn.Module],
        counted: Mapping[str, Any],
        batch: Batch,
        neurons: dict[Key, NeuronTally],
    ) -> None:
        self.modules, self.batch, self.neurons = modules, batch, neurons
        known = [name for name, module in modules.items() if name not in counted and is_library_neuron(module)]
        self.known = {name for name in known if not any(name != other and within(name, other) for other in known)}
        self.candidates = _open_modules(modules, counted, self.known)
        self._states: dict[str, int] = {}

    def hooks(self, name: str, module: nn.Module) -> Iterator[Any]:
        """Hook one open module; yield the handles."""
        yield module.register_forward_pre_hook(partial(self._enter, name))
        yield module.register_forward_hook(partial(self._leave, name))
        if name in self.known and library_of(module) == "norse" and hasattr(module, "state_fallback"):
            yield FirstStates(module, self.batch)

    def begin(self) -> None:
        """Say, as a batch begins, that what known neurons have kept is data, whatever they were reset to."""
        assert self.batch.tape is not None
        for name in self.known:
            for tensor in state_tensors(self.modules[name]):
                self.batch.tape.mark(tensor, Value(discrete=True))

    def _enter(self, name: str, module: nn.Module, args: Any) -> None:
        tape = self.batch.tape
        if tape is not None:
            tape.path.append(name)
            tape.begins.append(len(tape.nodes))
            tape.states_are_live += self._has_first_states(name, module)

    def _has_first_states(self, name: str, module: nn.Module) -> bool:
        if name in self.known:
            return makes_zero_states(module)
        return isinstance(module, nn.RNNBase | nn.RNNCellBase)

    def _leave(self, name: str, module: nn.Module, args: Any, output: Any) -> None:
        tape = self.batch.tape
        if tape is None:
            return
        tape.path.pop()
        begin = tape.begins.pop()
        tape.states_are_live -= self._has_first_states(name, module)
        y = first_tensor(output)
        if self.batch.idle or y is None or not self.candidates[name]:
            return
        value = tape.value(y)
        if name in self.known and any(node.quantises for node in tape.nodes[begin:]):
            value = Value(discrete=True, parts=1, spike=value is not None and value.spike)
            tape.mark(y, value)
        passes, shape = self.batch.split(name, y)
        tally = self.neurons.get((name, shape))
        if tally is None:
            tally = NeuronTally(name, type(module).__name__.lower(), True, shape, _UNKNOWN)
            self.neurons[(name, shape)] = tally
            words = known_state_words(module, output)
            self._states[name] = state_words(module, math.prod(shape)) if words is None else words
        if value is None or not value.discrete:
            tally.spiking = False
        with tape.paused():
            tally.add(y, passes, self.batch)

    def settle(self, works: Works) -> tuple[list[NeuronTally], Works]:
        """Return the modules that made spikes, as neurons, and the work that belongs to none of them."""
        rest, kept = Works(works), []
        for name in [name for name, may_be_one in self.candidates.items() if may_be_one]:
            tallies = [tally for key, tally in self.neurons.items() if key[0] == name]
            inside = {work: cost for work, cost in works.items() if within(work.where, name)}
            if not tallies or not (name in self.known or _is_neuron(tallies, inside)):
                continue
            updates = sum(tally.passes * max(1, math.prod(tally.shape)) for tally in tallies)
            total: Multiset[str] = Multiset()
            for work, cost in inside.items():
                total.update(cost)
                if work.known:
                    del rest[work]
            for tally in tallies:
                cost_each = {word: count / updates for word, count in sorted(total.items()) if count}
                tally.profile = Profile(cost_each, self._states[name])
                kept.append(tally)
        return kept, rest


class FirstStates:
    """The first states of a norse neuron taken as data: it takes some of them from its parameters.

    They are copies meanwhile, one value a neuron, so that a parameter itself stays a constant. `remove()` puts the
    neuron's own way back.
    """

    def __init__(self, module: Any, batch: Batch) -> None:
        self._module, self._batch, self._own = module, batch, module.state_fallback
        module.state_fallback = self

    def __call__(self, x: Any) -> Any:
        """Return what the neuron begins with, marked on the tape."""
        state = self._own(x)
        if self._batch.tape is None or not isinstance(state, tuple):
            return state
        shape = max((part.shape for part in tensors(list(state))), key=math.prod, default=())
        parts = [_one_each(part, shape) if isinstance(part, torch.Tensor) else part for part in state]
        for part in tensors(parts):
            self._batch.tape.mark(part, Value(discrete=True))
        return type(state)(*parts) if hasattr(state, "_fields") else tuple(parts)

    def remove(self) -> None:
        """Let the neuron begin as it did."""
        self._module.state_fallback = self._own


def _one_each(state: torch.Tensor, shape: tuple[int, ...]) -> torch.Tensor:
    return (state.expand(shape) if state.numel() == 1 else state).clone()


def _is_neuron(tallies: list[NeuronTally], inside: Mapping[Work, Any]) -> bool:
    known = all(work.known for work in inside)
    return known and all(tally.spiking for tally in tallies) and any(work.thresholds for work in inside)


def _open_modules(modules: Mapping[str, nn.Module], counted: Mapping[str, Any], known: set[str]) -> dict[str, bool]:
    """Return every module that is neither counted nor in a counted one, with whether it may be one neuron."""
    inside = {name for name in modules if any(within(name, c) for c in counted)}
    holders = {name for name in modules if any(within(c, name) for c in [*counted, *known]) and name not in known}
    found: dict[str, bool] = {}
    for name in modules:
        if name in inside:
            continue
        if name in known:
            found[name] = True
            continue
        parent = name.rpartition(".")[0]
        outermost = name not in holders and (name == "" or parent in holders or parent not in found)
        found[name] = outermost and not any(within(name, other) for other in known)
    return found


def state_words(module: nn.Module, units: int) -> int:
    """Guess the state variables of a foreign neuron: the tensors of its own size that it keeps between calls."""
    kept = 0
    for part in module.modules():
        held = {**vars(part), **part._buffers}.values()
        sizes = [value.numel() for value in held if isinstance(value, torch.Tensor)]
        kept += sum(size >= max(units, 2) and size % units == 0 for size in sizes)
    return kept
