"""Counts a network while somebody else runs it: synops, spikes and all other operations of one evaluation.

Every batch is counted as it passes, and nothing of it is kept. The first batch is also taped, operator by operator,
to find what modules do not show: sums between layers, which batch norm folds, what descends from spikes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import nn

from bench.errors import BenchError
from bench.measure.counting.batch import Batch
from bench.measure.counting.foreign import ForeignNeurons, open_modules
from bench.measure.counting.hooks import CountedModules, counted_modules
from bench.measure.counting.outside import bias_ops, node_ops, norm_ops, readout_ops
from bench.measure.counting.tape import Value, first_tensor
from bench.records.counts import Counts, InputKind, OtherOps


@dataclass(frozen=True)
class _Outside:
    """What the tape shows beside synapses and neurons."""

    ops: list[OtherOps]
    not_counted: list[str]
    folded_into: set[str]  # layers whose bias is that of a batch norm


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
        self.samples = 0
        self._failed = False  # a forward pass raised, so the counts are of half a batch
        self._outside: _Outside | None = None  # known once the first batch has passed
        self._modules = dict(model.named_modules())
        self._batch = Batch()
        roles = counted_modules(model)
        self._counted = CountedModules(roles, self._batch, input_kind)
        self._foreign = ForeignNeurons(open_modules(self._modules, roles), self._batch, self._counted.neurons)
        self._hooks: list[Any] = []

    def __enter__(self) -> Counter:
        self._hooks.append(self.model.register_forward_pre_hook(self._start, with_kwargs=True))
        for name, module in self._modules.items():
            if name in self._counted.roles:
                self._hooks += self._counted.hooks(name, module)
            elif name in self._foreign.candidates:
                self._hooks += self._foreign.hooks(name, module)
        self._hooks.append(self.model.register_forward_hook(self._finish, always_call=True))
        return self

    def __exit__(self, *_: object) -> None:
        for hook in self._hooks:
            hook.remove()
        self._hooks.clear()
        self._batch.end_tape()

    def counts(self) -> Counts:
        """Return what was counted. Raises BenchError when no batch has passed."""
        if self._failed:
            raise BenchError("a forward pass failed inside the `with` block: count again with a new Counter")
        if not self.samples or self._outside is None:
            raise BenchError("no batch was counted: run the model on at least one inside the `with` block")
        layers = []
        for (name, _), tally in self._counted.layers.items():
            layer = tally.count(self.samples, self.input_kind)
            # A batch norm that folds into a layer is its bias.
            folded = name in self._outside.folded_into
            layers.append(layer.model_copy(update={"has_bias": True}) if folded else layer)
        neurons = self._counted.neurons.items()
        return Counts(
            samples=self.samples,
            timesteps=self._batch.timesteps,
            layers=layers,
            neurons=[tally.count(self.samples, self._modules[name]) for (name, _), tally in neurons],
            other_ops=bias_ops(layers) + self._outside.ops,
            not_counted=self._outside.not_counted,
        )

    def _start(self, module: nn.Module, args: Any, kwargs: Any) -> None:
        x, axis, batch = first_tensor((args, kwargs)), self.time_axis, self._batch
        if x is None or x.dim() < (1 if axis is None else axis + 2):
            shape = None if x is None else tuple(x.shape)
            raise BenchError(f"expected an input with samples, and time on axis {axis}; not one of shape {shape}")
        samples_axis = 0 if axis is None else axis + 1
        left = x.shape[samples_axis] if self.limit is None else self.limit - self.samples
        batch.idle = left < x.shape[samples_axis]
        if batch.idle:
            if left > 0:
                batch.idle = False
                module(x.narrow(samples_axis, 0, left))
                batch.idle = True
            return
        timesteps = 1 if axis is None else x.shape[axis]
        if self.samples and timesteps != batch.timesteps:
            raise BenchError(f"every batch should have {batch.timesteps} timesteps; one has {timesteps}")
        batch.timesteps, batch.samples = timesteps, x.shape[samples_axis]
        self.samples += batch.samples
        batch.end_tape()
        if self._outside is None:
            self._counted.forget_the_tape()
            batch.begin_tape(x, Value(discrete=self.input_kind != "analog", network_input=True))

    def _finish(self, module: nn.Module, args: Any, output: Any) -> None:
        result, tape = first_tensor(output), self._batch.end_tape()
        self._failed = self._failed or result is None
        if tape is None or result is None:
            return
        value = tape.value(result)
        if value is not None:
            value.consumers.add("output")
        samples, timesteps = self._batch.samples, self._batch.timesteps
        nodes = self._foreign.settle(tape.canonical_nodes(), self._modules)
        norms, bad_norms, folded_into = norm_ops(self._counted.norms, self._counted.outputs, samples)
        ops, unknown = node_ops(nodes, samples)
        readout = [] if self.time_axis is None else readout_ops(tuple(result.shape), samples, timesteps)
        more = [f"{name}: more than its own operation ({', '.join(ops)})" for name, ops in tape.beside().items()]
        self._outside = _Outside(norms + ops + readout, sorted({*bad_norms, *unknown, *more}), folded_into)
