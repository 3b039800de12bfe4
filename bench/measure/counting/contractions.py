"""Sums of products counted where they happen, whatever module or function ran them.

An operand that does not depend on the input is a weight, and the contraction a layer. Where both depend on it, as in
attention, what is counted are the pairs of two non-zero operands.
"""

from __future__ import annotations

import copy
from collections import Counter as Multiset
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bench.measure.counting.batch import Batch
from bench.measure.counting.geometry import Geometry
from bench.measure.counting.kinds import InputTally
from bench.measure.counting.missed import dense_products
from bench.measure.counting.nests import dense, storage_of, tensors
from bench.measure.counting.nodes import Contraction, Value
from bench.measure.counting.products import ProductTally
from bench.measure.counting.summing import SUMMED_INTO
from bench.measure.counting.synops import LayerTally
from bench.measure.counting.tape import Tape
from bench.measure.counting.timesteps import by_timestep
from bench.records.counts import LayerCount
from bench.records.source import InputKind

# (where the operands of a matrix product are, where what is added to it is)
_MATRICES: dict[str, tuple[int, int, int | None]] = {
    **dict.fromkeys(("mm", "bmm", "mv", "dot", "vdot", "_int_mm"), (0, 1, None)),
    **dict.fromkeys(("addmm", "baddbmm", "addbmm", "addmv"), (1, 2, 0)),
}
_CONVOLUTIONS = frozenset(["convolution", "_convolution", "convolution_overrideable"])
_CONVOLVE: dict[int, Any] = {1: F.conv1d, 2: F.conv2d, 3: F.conv3d}


@dataclass
class Contractions:
    """All that were met, by what they are: a weight that is used again, or a product of one shape in one module."""

    batch: Batch
    claim: InputKind | None
    kinds: Mapping[str, InputKind]  # what the caller says of inputs, by layer
    modules: Mapping[str, nn.Module]
    layers: dict[Any, LayerTally | ProductTally] = field(default_factory=dict)
    outputs: dict[str, list[Value]] = field(default_factory=dict)  # of layers, call by call, in this pass
    missed: int | None = 0  # dense MACs of what is not understood; None: not known
    _names: Multiset[str] = field(default_factory=Multiset)

    def __post_init__(self) -> None:
        self._owners = {
            storage_of(parameter)._cdata: name
            for name, parameter in [*_named(self.modules, "_parameters"), *_named(self.modules, "_buffers")]
        }

    def take(self, tape: Tape, call: Contraction) -> Value | None:
        """Count one; return what came out, None where its operation is not understood."""
        if self.batch.idle:
            return Value(discrete=False)
        made = self._taken(tape, call)
        if made is None:
            products = dense_products(call)
            self.missed = None if products is None or self.missed is None else self.missed + products
        return made

    def _taken(self, tape: Tape, call: Contraction) -> Value | None:
        if any(tensor.is_complex() for tensor in tensors(call.args)):
            return None  # each product is four of real numbers, and they are no levels of anything
        if call.op in _MATRICES:
            return self._matrices(tape, call)
        if call.op == "linear" and tape.value(call.args[1]) is None:
            x, weight = call.args[:2]
            return self._linear(tape, call, (x, x), (weight, weight), len(call.args) > 2)
        if call.op in _CONVOLUTIONS:
            return self._convolution(tape, call)
        if call.op == "_trilinear":
            return self._bilinear(tape, call)
        return None

    def kept(self) -> Any:
        """Return a copy of what was counted, for `restore`; weights are not copied."""
        tallies = self.layers.values()
        weights = {id(t.geometry.weight): t.geometry.weight for t in tallies if isinstance(t, LayerTally)}
        calls = {name: len(values) for name, values in self.outputs.items()}
        return copy.deepcopy(self.layers, weights), calls, self.missed, self._names.copy()

    def restore(self, kept: Any) -> None:
        """Forget what was counted since."""
        self.layers, calls, self.missed, self._names = kept
        for name, values in self.outputs.items():
            del values[calls.get(name, 0) :]

    def counts(self, samples: int) -> list[LayerCount]:
        """Return the record of each."""
        return [tally.count(samples, self.claim) for tally in self.layers.values()]

    def _matrices(self, tape: Tape, call: Contraction) -> Value:
        at_left, at_right, at_added = _MATRICES[call.op]
        left, right = call.args[at_left], call.args[at_right]
        added = None if at_added is None else call.args[at_added]
        a, b = dense(left), dense(right)
        a, b = a[None] if a.dim() == 1 else a, b[:, None] if b.dim() == 1 else b
        if call.kwargs.get("beta", 1) == 0 or (isinstance(added, Tensor) and tape.value(added) is not None):
            added = None  # a sum with live data is no bias
        if tape.value(left) is not None and tape.value(right) is not None:
            tally, name = self._product(call, "matmul", (tuple(a.shape[-2:]), tuple(b.shape[-2:])))
            self._tell(tally.left, tape, left)
            self._tell(tally.right, tape, right)
            tally.add_matrices(a, b, self.batch)
            return self.made(name, call.out)
        if tape.value(right) is None:
            return self._linear(tape, call, (left, a), (right, b.mT), added is not None)
        return self._linear(tape, call, (right, b.mT), (left, a), added is not None)

    def _linear(
        self, tape: Tape, call: Contraction, live: tuple[Tensor, Tensor], weight: tuple[Tensor, Tensor], bias: bool
    ) -> Value:
        """Count x [..., rows, inputs] meeting a weight [..., outputs, inputs]: each as it was given, and so."""
        x, matrices = live[1], weight[1]
        if matrices.dim() > 2 and matrices.stride(0) == 0:
            matrices = matrices[0]  # one for all
        stack = matrices.shape[0] if matrices.dim() > 2 else 1
        outputs, inputs = matrices.shape[-2:]
        geometry = Geometry(matrices.reshape(-1, inputs), bias, stack=stack)
        name, key = self._place(call, weight[0], "linear", (inputs, outputs, stack))
        lead = (stack,) if stack > 1 else ()
        tally = self._layer(key, name, geometry, (*lead, inputs), (*lead, outputs))
        self._tell(tally.values, tape, live[0])
        rows = x.reshape(stack, -1, inputs).movedim(0, 1) if stack > 1 else x.reshape(-1, inputs)
        steps = None if stack > 1 else by_timestep(dense(live[0]), 1 if live[0].dim() == 2 else 0, self.batch)
        tally.add(rows, rows.shape[0], self.batch, steps)
        channels_apart = stack == 1 and call.out.dim() > 0 and call.out.shape[-1] == outputs
        summed = call.op in SUMMED_INTO and tape.value(call.args[0]) is not None  # with data, which weights do not make
        return self.made(name, call.out, weight[0] if channels_apart and not summed else None)

    def _convolution(self, tape: Tape, call: Contraction) -> Value | None:
        x, weight, bias, stride, padding, dilation, transposed, _, groups = call.args[:9]
        if tape.value(weight) is not None:
            return self._convolved_with_data(tape, call)
        rank = weight.dim() - 2
        batched = x.dim() > rank + 1
        step, pad, spread = (tuple(each) * (rank if len(each) == 1 else 1) for each in (stride, padding, dilation))
        geometry = Geometry(weight, bias is not None, rank, step, pad, spread, groups, transposed)
        shapes = tuple(x.shape[batched:]), tuple(call.out.shape[batched:])
        name, key = self._place(call, weight, geometry.kind, shapes)
        tally = self._layer(key, name, geometry, *shapes)
        self._tell(tally.values, tape, x)
        x = x if batched else x[None]
        tally.add(x, x.shape[0], self.batch, by_timestep(x, 1, self.batch))
        return self.made(name, call.out, weight, -rank - 1)

    def _bilinear(self, tape: Tape, call: Contraction) -> Value | None:
        x1, weight, x2 = call.args[:3]
        if tape.value(weight) is not None or list(call.args[6]) != [2, 3]:
            return None  # not as torch.nn.functional.bilinear calls it
        tally, name = self._product(call, "bilinear", (tuple(x1.shape[-1:]), tuple(x2.shape[-1:])), weight.shape[0])
        self._tell(tally.left, tape, x1)
        self._tell(tally.right, tape, x2)
        tally.add_matrices(x1.unsqueeze(-1), x2.unsqueeze(-2), self.batch)
        return self.made(name, call.out)

    def _convolved_with_data(self, tape: Tape, call: Contraction) -> Value | None:
        x, weight, _, stride, padding, dilation, transposed, _, groups = call.args[:9]
        if transposed or x.dim() != weight.dim():
            return None
        tally, name = self._product(call, "matmul", (tuple(x.shape[1:]), tuple(weight.shape[1:])))
        self._tell(tally.left, tape, x)
        self._tell(tally.right, tape, weight)

        def convolve(a: Tensor, b: Tensor) -> float:
            found = _CONVOLVE[weight.dim() - 2](a.double(), b.double(), None, stride, padding, dilation, groups)
            return float(found.sum())

        tally.add([(x, weight)], convolve, call.out.numel() * weight[0].numel(), self.batch)
        return self.made(name, call.out)

    def _product(self, call: Contraction, kind: str, shapes: Any, times: int = 1) -> tuple[ProductTally, str]:
        name, key = self._place(call, None, kind, shapes)
        tally = self.layers.get(key)
        if tally is None:
            tally = self.layers[key] = ProductTally(name, kind, shapes, times, self.kinds.get(name))
        assert isinstance(tally, ProductTally)
        return tally, name

    def _layer(
        self, key: Any, name: str, geometry: Geometry, shape_in: tuple[int, ...], shape_out: tuple[int, ...]
    ) -> LayerTally:
        tally = self.layers.get(key)
        if tally is None:
            tally = self.layers[key] = LayerTally(name, geometry, shape_in, shape_out, self.kinds.get(name))
        assert isinstance(tally, LayerTally)
        return tally

    def _tell(self, values: InputTally, tape: Tape, x: Tensor) -> None:
        values.told(tape.value(x), self.claim)

    def made(
        self, name: str, y: Tensor, weight: Tensor | None = None, axis: int = -1, module: str | None = None
    ) -> Value:
        """Return what the layer `name` has put out, y, each channel on `axis` by weights of its own; without any, none.

        module: the name of the module that has the weight.
        """
        channels = 0 if weight is None else y.shape[axis]
        owner = None if weight is None else self._owner(weight)
        weights = module or name if weight is None or owner is None else f"{owner} {_offset_of(weight)[0]}"
        value = Value(False, source=name, origin=name, elements=y.numel(), weights=weights, channels=channels)
        value.stride, value.shape = y.stride(axis) if y.dim() else 0, tuple(y.shape)
        value.storage = storage_of(y)._cdata
        self.outputs.setdefault(name, []).append(value)
        return value

    def _owner(self, weight: Tensor) -> str | None:
        """Return the name of the parameter or buffer that a weight is, or is a view of."""
        return self._owners.get(storage_of(weight)._cdata)

    def _place(self, call: Contraction, weight: Tensor | None, kind: str, shapes: Any) -> tuple[str, Any]:
        """Return what a contraction is called, and what it is: its weight where that is kept, or else its shape."""
        owner = None if weight is None else self._owner(weight)
        offset = None if weight is None or owner is None else _offset_of(weight)
        key = (kind, owner or call.where, offset, shapes)
        if key in self.layers:
            return self.layers[key].name, key
        where = call.where
        if owner is not None and owner.rpartition(".")[2] not in ("weight", "in_proj_weight"):
            where = owner
        elif owner is not None:
            where = owner.rpartition(".")[0]
        label = where or "forward"
        label = f"{label}: {kind}" if owner is None else label
        return self.new_name(label), key

    def new_name(self, label: str) -> str:
        """Return a name that no other layer has."""
        self._names[label] += 1
        return label if self._names[label] == 1 else f"{label} #{self._names[label]}"


def _offset_of(weight: Tensor) -> tuple[int, tuple[int, ...]]:
    """Return where a weight is in what holds it, and its strides; a sparse one is all of it."""
    return (int(weight.storage_offset()), tuple(weight.stride())) if weight.layout is torch.strided else (0, ())


def _named(modules: Mapping[str, nn.Module], kind: str) -> Collection[tuple[str, Tensor]]:
    return [
        (f"{name}.{part}" if name else part, tensor)
        for name, module in modules.items()
        for part, tensor in getattr(module, kind).items()
        if tensor is not None and not nn.parameter.is_lazy(tensor)
    ]
