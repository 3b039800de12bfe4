"""What happens when a module that is counted as a whole runs: synapses, batch norms and neurons."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any, Literal

from torch import Tensor, nn

from bench.measure.counting.batch import Batch, Key
from bench.measure.counting.neurons import RELU, NeuronTally, trace_step
from bench.measure.counting.outside import NormCall
from bench.measure.counting.synops import SYNAPTIC, LayerTally, layer_kind, split_input
from bench.measure.counting.tape import Value, first_tensor
from bench.neurons.base import is_neuron
from bench.records.counts import InputKind

NORM = nn.modules.batchnorm._BatchNorm
Role = Literal["synapse", "norm", "neuron"]


def within(name: str, outer: str) -> bool:
    """Whether the module called `name` is `outer` or in it."""
    return not outer or name == outer or name.startswith(f"{outer}.")


def counted_modules(model: nn.Module) -> dict[str, Role]:
    """Find the modules that are counted as a whole, by role; what is inside them is not looked at."""
    found: dict[str, Role] = {}
    for name, module in model.named_modules():
        if any(within(name, outer) for outer in found):
            continue
        if isinstance(module, SYNAPTIC):
            found[name] = "synapse"
        elif isinstance(module, NORM):
            found[name] = "norm"
        elif is_neuron(module) or isinstance(module, nn.ReLU):
            found[name] = "neuron"
    return found


class CountedModules:
    """The hooks of the modules with a role, and what they found.

    The tape does not look into these modules: it is closed before each and opened behind it, told what came out.
    """

    def __init__(self, roles: dict[str, Role], batch: Batch, claim: InputKind | None) -> None:
        self.roles, self.batch, self.claim = roles, batch, claim
        self.layers: dict[Key, LayerTally] = {}
        self.neurons: dict[Key, NeuronTally] = {}
        self.forget_the_tape()

    def forget_the_tape(self) -> None:
        """Begin anew what only a tape tells."""
        self.outputs: dict[str, list[Value]] = {}  # of synaptic layers, call by call
        self.norms: list[NormCall] = []

    def hooks(self, name: str, module: nn.Module) -> Iterator[Any]:
        """Hook one module; yield the handles."""
        after = {"synapse": self._synapse, "norm": self._norm, "neuron": self._neuron}[self.roles[name]]
        yield module.register_forward_pre_hook(partial(self._before, name), with_kwargs=True)
        yield module.register_forward_hook(partial(after, name), with_kwargs=True)

    def _before(self, name: str, module: nn.Module, args: Any, kwargs: Any) -> None:
        tape = self.batch.tape
        if tape is None:
            return
        x = first_tensor((args, kwargs))
        if isinstance(module, NORM) and x is not None and tape.recording:
            self.norms.append(NormCall(name, tape.value(x), x.numel(), module.running_mean is not None))
        tape.close(name, (args, kwargs), synaptic=self.roles[name] == "synapse")

    def _reopen(self, y: Tensor, value: Value) -> None:
        if self.batch.tape is not None:
            self.batch.tape.reopen()
            self.batch.tape.mark(y, value)

    def _synapse(self, name: str, module: nn.Module, args: Any, kwargs: Any, output: Any) -> None:
        if self.batch.idle:
            return
        x, y = first_tensor((args, kwargs)), first_tensor(output)
        assert x is not None and y is not None
        value = Value(discrete=False, source=name)
        if self.batch.tape is not None:
            self.batch.tape.unwatch()  # what counting runs is not the module's
            self.outputs.setdefault(name, []).append(value)
        self._count_synapses(name, module, x, y)
        self._reopen(y, value)

    def _count_synapses(self, name: str, layer: nn.Module, x: Tensor, y: Tensor) -> None:
        label, batch = name or layer_kind(layer), self.batch
        x, input_shape, output_shape, passes, repeats = split_input(layer, label, x, y, batch.samples, batch.timesteps)
        tally = self.layers.get((name, input_shape))
        if tally is None:
            uses = sum(other_name == name for other_name, _ in self.layers)
            tally = LayerTally(label if not uses else f"{label} #{uses + 1}", layer, input_shape, output_shape)
            self.layers[(name, input_shape)] = tally
        if batch.tape is not None:
            tally.told(batch.taped(x), self.claim)
        tally.add(x, passes, repeats)

    def _norm(self, name: str, module: nn.Module, args: Any, kwargs: Any, output: Any) -> None:
        y = first_tensor(output)
        assert y is not None
        self._reopen(y, Value(discrete=False))

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
        tally.add(y, passes)
        value = self.batch.taped(x)
        self._reopen(y, Value(discrete=spiking or (value is not None and value.discrete)))
