"""What happens when a module that is counted as a whole runs: synapses, batch norms and neurons."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

from torch import Tensor, nn

from bench.errors import BenchError
from bench.measure.counting.batch import Batch, Key
from bench.measure.counting.contractions import Contractions
from bench.measure.counting.geometry import Geometry, geometry_of
from bench.measure.counting.nests import first_tensor
from bench.measure.counting.neurons import RELU, NeuronTally, trace_step
from bench.measure.counting.nodes import Value
from bench.measure.counting.norms import norm_call
from bench.measure.counting.roles import NORM, Role
from bench.measure.counting.synops import LayerTally, split_input
from bench.measure.counting.timesteps import by_timestep
from bench.neurons.base import is_neuron


class CountedModules:
    """The hooks of the modules with a role, and what they found.

    The tape does not look into these modules: it is closed before each and opened behind it, told what came out. Hooks
    of others run outside: before it is closed, and behind where it is opened.
    """

    def __init__(self, roles: dict[str, Role], batch: Batch, contractions: Contractions) -> None:
        self.roles, self.batch, self.contractions = roles, batch, contractions
        self.neurons: dict[Key, NeuronTally] = {}

    def hooks(self, name: str, module: nn.Module) -> Iterator[Any]:
        """Hook one module; yield the handles."""
        after = {"synapse": self._synapse, "norm": self._norm, "neuron": self._neuron}[self.roles[name]]
        yield module.register_forward_pre_hook(partial(self._before, name), with_kwargs=True)
        yield module.register_forward_hook(partial(after, name), with_kwargs=True, prepend=True)

    def _before(self, name: str, module: nn.Module, args: Any, kwargs: Any) -> None:
        tape = self.batch.tape
        if tape is None:
            return
        x = first_tensor((args, kwargs))
        if isinstance(module, NORM) and x is not None and tape.recording:
            tape.norms.append(norm_call(name, module, x, tape.value(x)))
        tape.close(name, (args, kwargs))

    def _reopen(self, y: Tensor, value: Value) -> None:
        if self.batch.tape is not None:
            self.batch.tape.reopen()
            self.batch.tape.mark(y, value)

    def _synapse(self, name: str, module: nn.Module, args: Any, kwargs: Any, output: Any) -> None:
        if self.batch.idle:
            return
        x, y = first_tensor((args, kwargs)), first_tensor(output)
        assert x is not None and y is not None
        geometry = geometry_of(module)
        label = self._count_synapses(name, geometry, x, y)
        self._reopen(y, self.contractions.made(label, y, geometry.weight, -geometry.rank - 1, name))

    def _count_synapses(self, name: str, geometry: Geometry, x: Tensor, y: Tensor) -> str:
        batch, layers = self.batch, self.contractions.layers
        value = batch.taped(x)
        if value is not None and value.network_input:
            self._check_layout(name, geometry.rank, x)
        split = None if geometry.rank else batch.split(name, x)
        given = x
        x, input_shape, output_shape, passes, repeats = split_input(geometry, x, y, split, batch.samples)
        key = (name, input_shape)
        tally = layers.get(key)
        if tally is None:
            label = self.contractions.new_name(name or geometry.kind)
            said = self.contractions.kinds.get(label)
            tally = layers[key] = LayerTally(label, geometry, input_shape, output_shape, said)
        assert isinstance(tally, LayerTally)
        tally.told(value, self.contractions.claim)
        steps = by_timestep(given, given.dim() - len(input_shape), batch) if repeats == 1 else None
        tally.add(x, passes, batch, steps, repeats)
        return tally.name

    def _check_layout(self, name: str, rank: int, x: Tensor) -> None:
        """A layer that is handed the network's input as it came says which of its axes are there."""
        lead, expected = x.dim() - rank - 1, 1 if self.batch.layout == "N" else 2
        if lead < expected and tuple(x.shape) == self.batch.input_shape:
            taken = "samples without timesteps, layout 'N'" if lead else "one sample; give it a first axis of 1"
            where = name or "the network"
            raise BenchError(
                f"layout '{self.batch.layout}': {where} takes the input of shape {tuple(x.shape)} as {taken}"
            )

    def _norm(self, name: str, module: nn.Module, args: Any, kwargs: Any, output: Any) -> None:
        y = first_tensor(output)
        assert y is not None
        self._reopen(y, Value(discrete=False, origin=name))

    def _neuron(self, name: str, module: nn.Module, args: Any, kwargs: Any, output: Any) -> None:
        if self.batch.idle:
            return
        x, y = first_tensor((args, kwargs)), first_tensor(output)
        assert x is not None and y is not None
        spiking = bool(getattr(module, "spiking", False))
        if is_neuron(module):
            passes, shape, word = y.shape[0] * y.shape[1], tuple(y.shape[2:]), str(module.name)
        else:
            (passes, shape), word = self.batch.split(name, y), "relu"
        tally = self.neurons.get((name, shape))
        if tally is None:
            profile = trace_step(module, x[0, :1]) if is_neuron(module) else RELU
            tally = self.neurons[(name, shape)] = NeuronTally(name or word, word, spiking, shape, profile)
        tally.add(y, passes, self.batch)
        value = self.batch.taped(x)
        discrete = spiking or (value is not None and value.discrete)
        origin = "" if discrete else (value.origin if value and value.origin else name or word)
        parts = 1 if spiking else value.parts if value else 0
        # A ReLU hands spikes on as they came.
        spike = tally.profile.binary if spiking else discrete and value is not None and value.spike
        bits = 0 if discrete else int(getattr(module, "output_bits", 0))
        self._reopen(y, Value(discrete=discrete, parts=parts, origin=origin, spike=spike, bits=bits))
