"""Hooks that count a network while somebody else runs it: synops, spikes and all other operations of one evaluation.

Every batch is counted as it passes, and nothing of it is kept. The first batch is also taped, operator by operator,
to find what modules do not show: sums between layers, which batch norm folds, what descends from spikes.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from torch import Tensor, nn

from bench.errors import BenchError
from bench.measure.counting import outside as other
from bench.measure.counting.foreign import NORM, counted_modules, open_modules, state_words, within
from bench.measure.counting.neurons import RELU, NeuronTally, Profile, trace_step
from bench.measure.counting.synops import LayerTally, layer_kind, split_input
from bench.measure.counting.tape import Node, Tape, Value, first_tensor, spans, total_cost
from bench.neurons.base import is_neuron
from bench.records.counts import Counts, InputKind, LayerCount, NeuronCount, OtherOps

_UNKNOWN = Profile({}, 0)


class Counter:
    """Counts every forward pass of `model` inside the `with` block; `counts()` gives the result, also afterwards.

    time_axis: the axis of the input that is time, the next one being samples; None: inputs are [N, ...] and T is 1.
    input_kind: what the network's own input is ("analog" for images whatever their values); None: its values decide.
    samples: count only the first so many; a batch that goes beyond is run once more for those of it that still count.
    Set the model to eval mode yourself, or use `count_operations` or `evaluate`.
    """

    def __init__(
        self,
        model: nn.Module,
        *,
        time_axis: int | None = 0,
        input_kind: InputKind | None = None,
        samples: int | None = None,
    ) -> None:
        self.model, self.time_axis, self.input_kind, self.limit = model, time_axis, input_kind, samples
        self.samples, self.timesteps = 0, 1
        self._idle = False  # the batch that is passing is not counted
        self._failed = False  # a forward pass raised, so the counts are of half a batch
        self._batch = 0  # samples of the batch that is passing
        self._modules = dict(model.named_modules())
        self._layers: dict[tuple[str, tuple[int, ...]], LayerTally] = {}
        self._neurons: dict[tuple[str, tuple[int, ...]], NeuronTally] = {}
        self._tape: Tape | None = None
        self._taped = False
        self._outputs: dict[str, list[Value]] = {}  # of synaptic layers, on the tape
        self._norms: list[other.NormCall] = []
        self._folded_into: set[str] = set()  # layers whose bias is that of a batch norm
        self._other: list[OtherOps] = []
        self._not_counted: list[str] = []
        self._hooks: list[Any] = []
        self._closed = counted_modules(model)
        self._open = open_modules(self._modules, self._closed)

    def __enter__(self) -> Counter:
        root = self.model
        hooks = {"synapse": self._synapse_hook, "norm": self._norm_hook, "neuron": self._neuron_hook}
        self._hooks.append(root.register_forward_pre_hook(self._start, with_kwargs=True))
        for name, module in self._modules.items():
            if name in self._closed:
                self._hooks.append(module.register_forward_pre_hook(self._close(name), with_kwargs=True))
                self._hooks.append(module.register_forward_hook(hooks[self._closed[name]](name), with_kwargs=True))
            elif name in self._open:
                self._hooks.append(module.register_forward_pre_hook(self._open_hook(name)))
                self._hooks.append(module.register_forward_hook(self._leave_hook(name)))
        self._hooks.append(root.register_forward_hook(self._finish, always_call=True))
        return self

    def __exit__(self, *_: object) -> None:
        for hook in self._hooks:
            hook.remove()
        self._hooks.clear()
        self._stop_tape()

    def counts(self) -> Counts:
        """Return what was counted. Raises BenchError when no batch has passed."""
        if self._failed:
            raise BenchError("a forward pass failed inside the `with` block: count again with a new Counter")
        if not self.samples or not self._taped:
            raise BenchError("no batch was counted: run the model on at least one inside the `with` block")
        layers = [
            self._with_folded_bias(name, tally.count(self.samples, self.input_kind))
            for (name, _), tally in self._layers.items()
        ]
        neurons: list[NeuronCount] = []
        for (name, _), tally in self._neurons.items():
            neurons.append(tally.count(self.samples, self._modules[name]))
        return Counts(
            samples=self.samples,
            timesteps=self.timesteps,
            layers=layers,
            neurons=neurons,
            other_ops=other.bias_ops(layers) + self._other,
            not_counted=self._not_counted,
        )

    def _with_folded_bias(self, name: str, layer: LayerCount) -> LayerCount:
        return layer.model_copy(update={"has_bias": True}) if name in self._folded_into else layer

    def _start(self, module: nn.Module, args: Any, kwargs: Any) -> None:
        x, axis = first_tensor((args, kwargs)), self.time_axis
        if x is None or x.dim() < (1 if axis is None else axis + 2):
            shape = None if x is None else tuple(x.shape)
            raise BenchError(f"expected an input with samples, and time on axis {axis}; not one of shape {shape}")
        samples_axis = 0 if axis is None else axis + 1
        left = x.shape[samples_axis] if self.limit is None else self.limit - self.samples
        self._idle = left < x.shape[samples_axis]
        if self._idle:
            if left > 0:
                self._idle = False
                module(x.narrow(samples_axis, 0, left))
                self._idle = True
            return
        timesteps = 1 if axis is None else x.shape[axis]
        if self.samples and timesteps != self.timesteps:
            raise BenchError(f"every batch should have {self.timesteps} timesteps; one has {timesteps}")
        self.timesteps, self._batch = timesteps, x.shape[samples_axis]
        self.samples += self._batch
        self._stop_tape()
        if not self._taped:
            self._outputs, self._norms = {}, []
            self._tape = Tape()
            self._tape.mark(x, Value(discrete=self.input_kind != "analog", network_input=True))
            self._tape.start()

    def _finish(self, module: nn.Module, args: Any, output: Any) -> None:
        tape = self._tape
        result = first_tensor(output)
        self._stop_tape()
        self._failed = self._failed or result is None
        if tape is None or result is None:
            return
        value = tape.value(result)
        if value is not None:
            value.consumers.add("output")
        nodes = self._foreign_neurons(tape.canonical_nodes())
        norms, bad_norms, self._folded_into = other.norm_ops(self._norms, self._outputs, self._batch)
        ops, unknown = other.node_ops(nodes, self._batch)
        readout = [] if self.time_axis is None else other.readout_ops(tuple(result.shape), self._batch, self.timesteps)
        self._other = norms + ops + readout
        more = [f"{name}: more than its own operation ({', '.join(ops)})" for name, ops in tape.beside().items()]
        self._not_counted = sorted({*bad_norms, *unknown, *more})
        self._taped = True

    def _stop_tape(self) -> None:
        if self._tape is not None:
            self._tape.stop()
            self._tape = None

    def _close(self, name: str) -> Callable[..., None]:
        def hook(module: nn.Module, args: Any, kwargs: Any) -> None:
            if self._tape is None:
                return
            x = first_tensor((args, kwargs))
            if isinstance(module, NORM) and x is not None and self._tape.recording:
                known = module.running_mean is not None
                self._norms.append(other.NormCall(name, self._tape.value(x), x.numel(), known))
            self._tape.close(name, (args, kwargs), synaptic=self._closed[name] == "synapse")

        return hook

    def _reopen(self, y: Tensor, value: Value) -> None:
        if self._tape is not None:
            self._tape.reopen()
            self._tape.mark(y, value)

    def _synapse_hook(self, name: str) -> Callable[..., None]:
        def hook(module: nn.Module, args: Any, kwargs: Any, output: Any) -> None:
            if self._idle:
                return
            x, y = first_tensor((args, kwargs)), first_tensor(output)
            assert x is not None and y is not None
            if self._tape is not None:
                self._tape.unwatch()  # what counting runs is not the module's
            self._count_synapses(name, module, x, y)
            value = Value(discrete=False, source=name)
            if self._tape is not None:
                self._outputs.setdefault(name, []).append(value)
            self._reopen(y, value)

        return hook

    def _count_synapses(self, name: str, layer: nn.Module, x: Tensor, y: Tensor) -> None:
        label = name or layer_kind(layer)
        x, input_shape, output_shape, passes, repeats = split_input(layer, label, x, y, self._batch, self.timesteps)
        tally = self._layers.get((name, input_shape))
        if tally is None:
            uses = sum(other_name == name for other_name, _ in self._layers)
            tally = LayerTally(label if not uses else f"{label} #{uses + 1}", layer, input_shape, output_shape)
            self._layers[(name, input_shape)] = tally
        if self._tape is not None:
            value = self._tape.value(x)
            tally.values.discrete = tally.values.discrete and value is not None and value.discrete
            tally.values.network_input = tally.values.network_input or (value is not None and value.network_input)
            tally.values.analog = tally.values.analog or (tally.values.network_input and self.input_kind == "analog")
            tally.values.counts = tally.values.network_input and self.input_kind == "graded"
        tally.add(x, passes, repeats)

    def _norm_hook(self, name: str) -> Callable[..., None]:
        def hook(module: nn.Module, args: Any, kwargs: Any, output: Any) -> None:
            y = first_tensor(output)
            assert y is not None
            self._reopen(y, Value(discrete=False))

        return hook

    def _neuron_hook(self, name: str) -> Callable[..., None]:
        def hook(module: nn.Module, args: Any, kwargs: Any, output: Any) -> None:
            if self._idle:
                return
            x, y = first_tensor((args, kwargs)), first_tensor(output)
            assert x is not None and y is not None
            spiking = bool(getattr(module, "spiking", False))
            if is_neuron(module):
                passes, shape = y.shape[0] * y.shape[1], tuple(y.shape[2:])
                word = str(module.name)
            else:
                per_sample, shape = self._spans(name, y)
                passes, word = per_sample * self._batch, "relu"
            tally = self._neurons.get((name, shape))
            if tally is None:
                profile = trace_step(module, x[0, :1]) if is_neuron(module) else RELU
                tally = self._neurons[(name, shape)] = NeuronTally(name or word, word, spiking, shape, profile)
            tally.add(y, passes)
            value = None if self._tape is None else self._tape.value(x)
            self._reopen(y, Value(discrete=spiking or (value is not None and value.discrete)))

        return hook

    def _spans(self, name: str, y: Tensor) -> tuple[int, tuple[int, ...]]:
        split = spans(tuple(y.shape), self._batch, self.timesteps)
        if split is None:
            raise BenchError(f"{name}: cannot find {self._batch} samples in an output of shape {tuple(y.shape)}")
        return split

    def _open_hook(self, name: str) -> Callable[..., None]:
        def hook(module: nn.Module, args: Any) -> None:
            if self._tape is not None:
                self._tape.path.append(name)

        return hook

    def _leave_hook(self, name: str) -> Callable[..., None]:
        def hook(module: nn.Module, args: Any, output: Any) -> None:
            if self._tape is not None:
                self._tape.path.pop()
            y = first_tensor(output)
            skipped = self._idle or y is None or not self._open[name]
            split = None if skipped or y is None else spans(tuple(y.shape), self._batch, self.timesteps)
            if y is None or split is None:
                return
            tally = self._neurons.get((name, split[1]))
            if tally is None and self._tape is not None:
                tally = NeuronTally(name, type(module).__name__.lower(), True, split[1], _UNKNOWN)
                self._neurons[(name, split[1])] = tally
            if tally is None:
                return
            if self._tape is None:
                tally.add(y, split[0] * self._batch)
                return
            value = self._tape.value(y)
            if value is None or not value.discrete:
                tally.spiking = False
            with self._tape.paused():
                tally.add(y, split[0] * self._batch)

        return hook

    def _foreign_neurons(self, nodes: list[Node]) -> list[Node]:
        """Turn open modules that made spikes into neurons; return the nodes that belong to none."""
        rest = list(nodes)
        for name in [name for name, counted in self._open.items() if counted]:
            tallies = {key: tally for key, tally in self._neurons.items() if key[0] == name}
            inside = [node for node in rest if within(node.where, name)]
            updates = sum(tally.passes * max(1, math.prod(tally.shape)) for tally in tallies.values())
            known = all(node.cost is not None for node in inside)
            if not (tallies and known and all(t.spiking for t in tallies.values()) and other.makes_spikes(inside)):
                for key in tallies:
                    del self._neurons[key]
                continue
            rest = [node for node in rest if node not in inside]
            cost = {word: count / updates for word, count in total_cost(inside).items()}
            for (_, shape), tally in tallies.items():
                tally.profile = Profile(cost, state_words(self._modules[name], math.prod(shape)))
        return rest
