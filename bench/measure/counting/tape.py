"""A tape of one forward pass: which operations touch data that depends on the input, and what feeds what.

Values are keyed by storage, so that a view, an expanded or a time-folded tensor is the value it shows. Nothing is kept
alive: the tape holds weak references and numbers, never tensors.
"""

from __future__ import annotations

from collections import Counter as Multiset
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor
from torch.multiprocessing.reductions import StorageWeakRef
from torch.utils._python_dispatch import TorchDispatchMode, _get_current_dispatch_mode

from bench.measure.counting.ops import (
    CONTRACTIONS,
    CREATION,
    MOVES,
    RANDOM,
    THRESHOLDS,
    WITH_INDICES,
    keeps_levels,
    makes_spikes,
    mixes_in,
    moves_first_axis,
    op_cost,
    op_name,
    parts_of,
    quantises,
    tensors,
)

_WEAK: Any = StorageWeakRef  # untyped in torch

# These read a value into Python, which then may branch on it.
_READS = frozenset(["_local_scalar_dense", "item", "nonzero", "is_nonzero", "equal", "masked_select", "unique"])

_FIRST_STATES = frozenset(["zeros", "ones", "full", "empty"])


@dataclass(eq=False)
class Value:
    """Data that depends on the network's input."""

    discrete: bool  # descends from spikes or event counts, through sums, scalings and pooling only
    network_input: bool = False
    source: str | None = None  # the synaptic layer that made it
    origin: str = ""  # what made it other than spikes or event counts, in words
    parts: int = 0  # that pooling has divided a spike into; 0: not known
    elements: int = 0  # of the layer's output
    spike: bool = False  # 0 or 1 whatever the input: a comparison made it
    consumers: set[str] = field(default_factory=set)


@dataclass(eq=False)
class Node:
    """One operation on live data. `cost` is None where nobody has said what the operation costs."""

    op: str
    where: str  # innermost open module
    cost: dict[str, int] | None
    inputs: tuple[Value, ...]
    output: Value | None
    time_reduced: bool = False  # a sum or mean whose result has lost the first axis
    compares_to_zero: bool = False
    reads: bool = False
    quantises: bool = False
    broadcasts: bool = False  # its live operands are not of one shape


@dataclass(frozen=True)
class Contraction:
    """A call that sums products, at least one operand of which depends on the input."""

    op: str
    where: str
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    out: Tensor


Take = Callable[["Tape", Contraction], Value | None]


class Tape(TorchDispatchMode):
    """Records live operations outside closed modules; whoever closes a module accounts for what happens in it."""

    def __init__(self, take: Take | None = None) -> None:
        """take: counts a contraction and returns what came out; None where it cannot be counted."""
        super().__init__()  # type: ignore[no-untyped-call]
        self.nodes: list[Node] = []
        self.path: list[str] = [""]
        self.begins: list[int] = []  # the first node of each open module
        self.reordered = False  # the first axis of live data was exchanged with another: samples with timesteps, maybe
        self.states_are_live = 0  # how many recurrent modules run, whose first state is zeros that they make
        self._take = take
        self._values: dict[int, tuple[Any, Value]] = {}
        self._closed = 0
        self._runs = self._paused = False

    def start(self) -> None:
        """Begin to record, until `stop`: for hooks, which no `with` block can span."""
        if not self._runs:
            enter: Any = self.__enter__
            enter()
            self._runs = True

    def stop(self) -> None:
        """Record no more."""
        if self._runs:
            leave: Any = self.__exit__
            leave(None, None, None)
            self._runs = False

    def value(self, tensor: Tensor) -> Value | None:
        """Return what `tensor` shows, or None for a constant of the network."""
        entry = self._values.get(tensor.untyped_storage()._cdata)
        return entry[1] if entry and not entry[0].expired() else None

    def mark(self, tensor: Tensor, value: Value) -> None:
        """Say that `tensor` and its views show `value`."""
        reference = _WEAK(tensor.untyped_storage())
        self._values[reference.cdata] = (reference, value)

    def close(self, where: str, inputs: Any) -> None:
        """Stop recording while the module called `where` runs; it consumes `inputs`."""
        for tensor in tensors(inputs):
            value = self.value(tensor)
            if value and not self._closed:
                value.consumers.add(where)
        self._pause()

    def reopen(self) -> None:
        """Record again."""
        self._closed -= 1
        if not self._closed and self._paused:
            self._paused = False
            self.start()

    def _pause(self) -> None:
        # A mode that is not entered costs its operations nothing; one under another cannot be left.
        self._closed += 1
        if self._runs and _get_current_dispatch_mode() is self:
            self.stop()
            self._paused = True

    @property
    def recording(self) -> bool:
        """Whether no closed module is running."""
        return not self._closed

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Record nothing in this block."""
        self._pause()
        try:
            yield
        finally:
            self.reopen()

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Run one aten operation and note it when it reads live data."""
        kwargs = kwargs or {}
        if self._closed:
            return func(*args, **kwargs)
        # Read before running: an in-place operation replaces the value of its own storage.
        name = op_name(func)
        inputs = [v for t in tensors((args, kwargs)) if (v := self.value(t)) is not None]
        live = {id(t) for t in tensors((args, kwargs)) if self.value(t) is not None}
        out = func(*args, **kwargs)
        self._note(name, args, kwargs, out, inputs, live)
        return out

    def _note(
        self, name: str, args: tuple[Any, ...], kwargs: dict[str, Any], out: Any, inputs: list[Value], live: set[int]
    ) -> None:
        if not inputs and name not in RANDOM:
            if self.states_are_live and (name in CREATION or name in _FIRST_STATES):
                self._mark_all(out, Value(discrete=True))
            return
        results = list(tensors(out))
        if name in CREATION:
            # A constant of the input's size, such as a first state: what is done with it is done per element.
            for tensor in results:
                self.mark(tensor, Value(discrete=True))
            return
        self.reordered = self.reordered or moves_first_axis(name, args)
        if name in MOVES and len(set(map(id, inputs))) == 1:
            moved = inputs[0]
            if moved.spike and mixes_in(name, args, kwargs, live):
                moved = replace(moved, spike=False, consumers=set())
            self._mark_all(out, moved)
            return
        for value in inputs:
            value.consumers.add(f"{name} #{len(self.nodes)}")
        cost = op_cost(name, args, kwargs, out, lambda tensor: id(tensor) in live, self._is_spike)
        output = self._output(name, args, kwargs, out, inputs) if results else None
        if name in CONTRACTIONS and self._take is not None and results:
            made = self._take(self, Contraction(name, self.path[-1], args, kwargs, results[0]))
            if made is not None:
                cost, output = {}, made
        node = Node(
            name,
            self.path[-1],
            cost,
            tuple(inputs),
            output,
            time_reduced=name in ("sum", "mean") and _drops_first_axis(args, kwargs),
            compares_to_zero=name == "heaviside" or (name in THRESHOLDS and len(args) > 1 and _is_zero(args[1])),
            reads=name in _READS,
            quantises=name in THRESHOLDS or quantises(name, kwargs),
            broadcasts=len({tensor.shape for tensor in tensors(args) if id(tensor) in live}) > 1,
        )
        self.nodes.append(node)
        if output is not None:
            self._mark_all(results[:1] if name in WITH_INDICES else out, output)
            for indices in results[1:] if name in WITH_INDICES else ():
                self.mark(indices, replace(output, spike=False))

    def _output(self, name: str, args: tuple[Any, ...], kwargs: dict[str, Any], out: Any, inputs: list[Value]) -> Value:
        """Return what comes out of an operation that is no contraction."""
        if makes_spikes(name, args, self._is_spike):
            return Value(discrete=True, parts=1, spike=True)
        kept = keeps_levels(name)
        if kept and inputs and all(value.discrete for value in inputs):
            network_input = name in MOVES and all(value.network_input for value in inputs)
            parts = parts_of(name, args, kwargs, out, [value.parts for value in inputs])
            spike = name in MOVES and all(value.spike for value in inputs)
            spike = spike and not mixes_in(name, args, kwargs, {id(tensor) for tensor in tensors(args)})
            return Value(True, network_input, parts=parts, spike=spike)
        network_input = name in MOVES and bool(inputs) and all(value.network_input for value in inputs)
        earlier = next((value.origin for value in inputs if not value.discrete and value.origin), "")
        where = self.path[-1]
        origin = earlier if kept and earlier else f"{name} in {where}" if where else name
        return Value(False, network_input, origin=origin)

    def _is_spike(self, tensor: Tensor) -> bool:
        value = self.value(tensor)
        return value is not None and value.spike

    def _mark_all(self, out: Any, value: Value) -> None:
        for tensor in tensors(out):
            self.mark(tensor, value)

    def canonical_nodes(self) -> list[Node]:
        """Return the nodes with `u - theta` that only a comparison with zero reads made free: it is one compare."""
        folded: set[int] = set()
        made_by = {id(node.output): node for node in self.nodes if node.output is not None}
        for node in self.nodes:
            if not node.compares_to_zero or not node.inputs:
                continue
            source = made_by.get(id(node.inputs[0]))
            if source is None or len(node.inputs[0].consumers) > 1:
                continue
            # a + b >= 0 is an addition and a compare, unless one of the two is a constant
            if source.op in ("sub", "rsub") or (source.op == "add" and len(source.inputs) == 1):
                folded.add(id(source))
        return [node for node in self.nodes if id(node) not in folded]


def total_cost(nodes: list[Node]) -> dict[str, int]:
    """Sum the known costs of `nodes`, operations that do not occur left out."""
    total: Multiset[str] = Multiset()
    for node in nodes:
        total.update(node.cost or {})
    return {word: count for word, count in sorted(total.items()) if count}


def _drops_first_axis(args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
    axes = args[1] if len(args) > 1 else kwargs.get("dim")
    rank = args[0].dim()
    return isinstance(axes, list | tuple) and bool(axes) and all(axis % rank == 0 for axis in axes)


def _is_zero(other: Any) -> bool:
    return isinstance(other, int | float) and not isinstance(other, bool) and other == 0


def first_tensor(value: Any) -> Tensor | None:
    """Return the first tensor in a nest of tuples, lists and dicts."""
    found = next(tensors(value), None)
    return found if isinstance(found, torch.Tensor) else None
