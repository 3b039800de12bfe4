"""Counts a network while somebody else runs it: synops, spikes and all other operations of one evaluation.

Every batch is counted as it passes, and nothing of it is kept. Each is taped, operator by operator, to find what
modules do not show: contractions in functions, sums between layers, which batch norm folds, what descends from spikes.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import Any

from torch import nn

from bench.errors import BenchError
from bench.measure.counting.batch import Batch, Layout, check_layout
from bench.measure.counting.contractions import Contractions
from bench.measure.counting.foreign import ForeignNeurons
from bench.measure.counting.hooks import CountedModules
from bench.measure.counting.nests import first_tensor, tensors
from bench.measure.counting.nodes import Value
from bench.measure.counting.norms import Norms
from bench.measure.counting.operators import in_operators
from bench.measure.counting.outside import Works, bias_ops, readout_ops
from bench.measure.counting.roles import counted_modules
from bench.measure.counting.seen import HooksOfOthers
from bench.records.counts import Counts, OtherOps
from bench.records.source import InputKind

_SAMPLES_AXIS = {"TN": 1, "NT": 0, "N": 0}
_TIME_AXIS = {"TN": 0, "NT": 1}


class Counter:
    """Counts every forward pass of `model` inside the `with` block; `counts()` gives the result, also afterwards.

    layout: which axes of the input are timesteps and samples: "TN", "NT", or "N" where T is 1 or made by the network.
    input_kind: what the network's own input is ("analog" for images whatever their values); None: its values decide.
    kinds: what the input of a layer is, by the layer's name, whatever it descends from.
    samples: count only the first so many; a batch that goes beyond is run once more for those of it that still count.
    axes: where the samples are in what modules put out, see `bench.measure.counting.axes`.
    Set the model to eval mode yourself, or use `count_operations` or `evaluate`.
    """

    def __init__(
        self,
        model: nn.Module,
        *,
        layout: Layout = "TN",
        input_kind: InputKind | None = None,
        kinds: Mapping[str, InputKind] | None = None,
        samples: int | None = None,
        axes: Mapping[tuple[str, int], int] | None = None,
    ) -> None:
        check_layout(layout)
        self.model, self.layout, self.input_kind, self.limit = model, layout, input_kind, samples
        self.kinds = dict(kinds or {})
        self.samples = 0
        self._failed = False  # a forward pass raised, so the counts are of half a batch
        self._passed = False  # this one came to its end
        self._complete = False  # a batch has passed
        self._modules = dict(model.named_modules())
        self._batch = Batch(layout, axes=axes or {})
        roles = counted_modules(model)
        self._contractions = Contractions(self._batch, input_kind, self.kinds, self._modules)
        self._counted = CountedModules(roles, self._batch, self._contractions)
        self._foreign = ForeignNeurons(self._modules, roles, self._batch, self._counted.neurons)
        self._works, self._norms = Works(), Norms()
        self._readout: list[OtherOps] = []
        self._running = contextlib.ExitStack()

    def __enter__(self) -> Counter:
        self._running.callback(HooksOfOthers(self._modules.values(), self._contractions).remove)
        hooks = [self.model.register_forward_pre_hook(self._start, with_kwargs=True, prepend=True)]
        for name, module in self._modules.items():
            if name in self._counted.roles:
                hooks += self._counted.hooks(name, module)
            elif name in self._foreign.candidates:
                hooks += self._foreign.hooks(name, module)
        hooks.append(self.model.register_forward_hook(self._pass))
        hooks.append(self.model.register_forward_hook(self._finish, always_call=True))
        for hook in hooks:
            self._running.callback(hook.remove)
        self._running.callback(self._batch.end_tape)
        self._running.enter_context(in_operators(self._modules.values()))
        return self

    def __exit__(self, *_: object) -> None:
        self._running.close()

    def counts(self) -> Counts:
        """Return what was counted. Raises BenchError when no batch has passed."""
        if self._failed:
            raise BenchError("a forward pass failed inside the `with` block: count again with a new Counter")
        if not self.samples or not self._complete:
            raise BenchError("no batch was counted: run the model on at least one inside the `with` block")
        layers = []
        for layer in self._contractions.counts(self.samples):
            # A batch norm that folds into a layer is its bias.
            folded = layer.name in self._norms.folded_into
            layers.append(layer.model_copy(update={"has_bias": True}) if folded else layer)
        self._check(layers)
        foreign, rest = self._foreign.settle(self._works)
        found = [tally for (name, _), tally in self._counted.neurons.items() if name in self._counted.roles]
        unknown = rest.unknown()
        return Counts(
            samples=self.samples,
            timesteps=self._batch.timesteps,
            layers=layers,
            neurons=[
                tally.count(self.samples, self._modules[name])
                for (name, _), tally in self._counted.neurons.items()
                if tally in found or tally in foreign
            ],
            other_ops=[*bias_ops(layers), *self._norms.ops(self.samples), *rest.ops(self.samples), *self._readout],
            not_counted=sorted({*self._norms.unknown, *unknown}),
            dense_macs_missed_total=self._contractions.missed,
            synapses_not_counted=sorted(words for words, sums in unknown.items() if sums),
            reasons={tally.name: tally.reason for tally in self._contractions.layers.values()},
        )

    def _check(self, layers: Any) -> None:
        """Check what holds in every count, and that what was said of layers was said of some that are there."""
        for layer in layers:
            valid, dense = layer.dense_macs_valid_total, layer.dense_macs_total
            if not layer.effective_synops_total <= valid <= dense:
                raise BenchError(
                    f"{layer.name}: {layer.effective_synops_total} effective, {valid} valid and {dense} dense "
                    "operations, which cannot be; this is a fault of the counter"
                )
        strange = set(self.kinds) - {layer.name for layer in layers}
        if strange:
            known = ", ".join(f"'{layer.name}'" for layer in layers)
            raise BenchError(f"kinds: there is no layer '{min(strange)}'; there are {known}")

    def _start(self, module: nn.Module, args: Any, kwargs: Any) -> None:
        x, batch = first_tensor((args, kwargs)), self._batch
        axis, samples_axis = _TIME_AXIS.get(self.layout), _SAMPLES_AXIS[self.layout]
        if x is None or x.dim() < (1 if axis is None else 3):
            shape = None if x is None else tuple(x.shape)
            raise BenchError(f"layout '{self.layout}': the input should have its axes, and is of shape {shape}")
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
        batch.timesteps, batch.samples, batch.input_shape = timesteps, x.shape[samples_axis], tuple(x.shape)
        self._passed = False
        self.samples += batch.samples
        batch.end_tape()
        self._contractions.outputs.clear()
        claim = self.input_kind
        parts = int(claim in ("binary", "ternary", "graded"))
        spike = claim == "binary"  # its layer checks it
        value = Value(claim != "analog", network_input=True, origin="the input", parts=parts, spike=spike)
        batch.begin_tape(x, value, self._contractions.take)
        self._foreign.begin()
        assert batch.tape is not None
        for other in tensors((args, kwargs)):
            if other is not x:
                batch.tape.mark(other, Value(claim != "analog", network_input=True, origin="the input"))

    def _pass(self, module: nn.Module, args: Any, output: Any) -> None:
        self._passed = True  # a pass that raised comes to `_finish` alone

    def _finish(self, module: nn.Module, args: Any, output: Any) -> None:
        result, tape = first_tensor(output), self._batch.end_tape()
        if self._batch.idle:
            return
        self._failed = self._failed or not self._passed
        if tape is None or self._failed:
            return
        for value in filter(None, map(tape.value, tensors(output))):
            value.consumers.add("output")
        self._complete = True
        self._works.add(tape.canonical_nodes())
        self._norms.add(tape.norms, self._contractions.outputs, tape.nodes)
        if result is not None and self.layout != "N":
            self._readout = readout_ops(tuple(result.shape), self._batch.samples, self._batch.timesteps)
