"""A tape of one forward pass: which operations touch data that depends on the input, and what feeds what.

Values are keyed by storage, so that a view, an expanded or a time-folded tensor is the value it shows. Nothing is kept
alive: the tape holds weak references and numbers, never tensors.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from torch import Tensor
from torch.multiprocessing.reductions import StorageWeakRef
from torch.utils._python_dispatch import TorchDispatchMode, _get_current_dispatch_mode

from bench.measure.counting.nests import storage_of, tensors
from bench.measure.counting.nodes import Contraction, Node, Recorded, Value
from bench.measure.counting.norms import NormCall, norm_of_call
from bench.measure.counting.ops import (
    CREATION,
    MOVES,
    RANDOM,
    WITH_INDICES,
    keeps_bits,
    keeps_levels,
    meaning_of,
    op_cost,
    op_name,
    parts_of,
    quantises,
)
from bench.measure.counting.places import as_moved, values_at_places
from bench.measure.counting.reductions import REDUCTIONS, moves_first_axis, reduced_axes
from bench.measure.counting.spikes import THRESHOLDS, compares_to_zero, makes_spikes, mixes_in
from bench.measure.counting.summing import CONTRACTIONS, SUMMED_INTO, may_sum_products

_WEAK: Any = StorageWeakRef  # untyped in torch

# These read a value into Python, which then may branch on it.
_READS = frozenset(["_local_scalar_dense", "item", "nonzero", "is_nonzero", "equal", "masked_select", "unique"])

_FIRST_STATES = frozenset(["zeros", "ones", "full", "empty"])


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
        self.time_is_gone = False  # live data was summed over its first axis: what follows may have no timesteps
        self.states_are_live = 0  # how many recurrent modules run, whose first state is zeros that they make
        self.norms: list[NormCall] = []  # batch norms, which may fold
        self.take = take
        self._values: dict[int, tuple[Any, Value]] = {}
        self._closed = 0
        self._runs = self._paused = False

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        return False  # which would import the compiler, of 300 MiB

    def recorded(self) -> Recorded:
        """Return what is on the tape, for `forget`."""
        consumers = [(value, set(value.consumers)) for _, value in self._values.values()]
        return Recorded(len(self.nodes), len(self.norms), self.reordered, self.time_is_gone, consumers)

    def forget(self, since: Recorded) -> None:
        """Forget all operations that were noted since."""
        del self.nodes[since.nodes :], self.norms[since.norms :]
        self.reordered, self.time_is_gone = since.reordered, since.time_is_gone
        for value, consumers in since.consumers:
            value.consumers = consumers

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
        entry = self._values.get(storage_of(tensor)._cdata)
        return entry[1] if entry and not entry[0].expired() else None

    def mark(self, tensor: Tensor, value: Value) -> None:
        """Say that `tensor` and its views show `value`."""
        reference = _WEAK(storage_of(tensor))
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
        name = meaning_of(op_name(func), args, kwargs)
        inputs = [v for t in tensors((args, kwargs)) if (v := self.value(t)) is not None]
        live = {id(t) for t in tensors((args, kwargs)) if self.value(t) is not None}
        out = func(*args, **kwargs)
        self._note(func, name, args, kwargs, out, inputs, live)
        return out

    def _note(
        self,
        func: Any,
        name: str,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        out: Any,
        inputs: list[Value],
        live: set[int],
    ) -> None:
        created = name in CREATION
        if not inputs and name not in RANDOM:
            if self.states_are_live and (created or name in _FIRST_STATES):
                self._mark_all(out, Value(discrete=True))
            return
        if created:  # a constant of the input's size, as a first state is: what is done with it is done per element
            self._mark_all(out, Value(discrete=True))
            return
        results = list(tensors(out))
        self.reordered = self.reordered or moves_first_axis(name, args)
        placed = values_at_places(name, args, kwargs, out, self.value)
        if placed is not None:
            self._read(set(inputs) - set(placed), name)
            inputs = placed
            if not placed:
                self._mark_all(out, Value(discrete=True, parts=1, spike=True))
                return
        if name in MOVES and len(set(map(id, inputs))) == 1:
            moved, where = inputs[0], f"{name} #{len(self.nodes)}"
            mixed = moved.spike and mixes_in(name, args, kwargs, live)
            self._mark_all(out, as_moved(moved, where, self.value(results[0]) is moved, mixed))
            return
        axes = reduced_axes(name, args, kwargs)
        self.time_is_gone = self.time_is_gone or 0 in axes
        self._read(inputs, name)
        cost = op_cost(name, args, kwargs, out, lambda tensor: id(tensor) in live, self._is_spike)
        output = self._output(name, args, kwargs, out, inputs, live) if results else None
        sums = name in CONTRACTIONS or (cost is None and may_sum_products(func, name, args, kwargs))
        if sums and self.take is not None and results:
            made = self.take(self, Contraction(name, func, self.path[-1], args, kwargs, results[0]))
            if made is not None:
                added = name in SUMMED_INTO and id(args[0]) in live and kwargs.get("beta", 1) != 0
                cost, output = ({"add": results[0].numel()} if added else {}), made
        call = norm_of_call(name, self.path[-1], args, self.value, self.norms) if self.take is not None else None
        if call is not None:  # whoever takes contractions knows what becomes of it
            self.norms.append(call)
            cost, output = {}, Value(discrete=False, origin=call.name)
        node = Node(
            *(name, self.path[-1], cost, tuple(inputs), output),
            time_reduced=name in REDUCTIONS and axes == {0},
            compares_to_zero=compares_to_zero(name, args),
            reads=name in _READS,
            quantises=name in THRESHOLDS or quantises(name, kwargs),
            broadcasts=len({tensor.shape for tensor in tensors(args) if id(tensor) in live}) > 1,
            sums_products=cost is None and sums,
        )
        self.nodes.append(node)
        if output is not None:
            self._mark_all(results[:1] if name in WITH_INDICES else out, output)
            self._mark_all(results[1:] if name in WITH_INDICES else (), replace(output, spike=False))

    def _output(
        self,
        name: str,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        out: Any,
        inputs: list[Value],
        live: set[int],
    ) -> Value:
        """Return what comes out of an operation that is no contraction."""
        if makes_spikes(name, args, kwargs, self._is_spike, live):
            return Value(discrete=True, parts=1, spike=True)
        kept = keeps_levels(name)
        if kept and inputs and all(value.discrete for value in inputs):
            network_input = name in MOVES and all(value.network_input for value in inputs)
            parts = parts_of(name, args, kwargs, out, [value.parts for value in inputs])
            spike = name in MOVES and all(value.spike for value in inputs)
            spike = spike and not mixes_in(name, args, kwargs, live)
            return Value(True, network_input, parts=parts, spike=spike)
        network_input = name in MOVES and bool(inputs) and all(value.network_input for value in inputs)
        earlier = next((value.origin for value in inputs if not value.discrete and value.origin), "")
        where = self.path[-1]
        origin = earlier if kept and earlier else f"{name} in {where}" if where else name
        bits = max(value.bits for value in inputs) if keeps_bits(name) and all(v.bits for v in inputs) else 0
        return Value(False, network_input, origin=origin, bits=bits)

    def _is_spike(self, tensor: Tensor) -> bool:
        value = self.value(tensor)
        return value is not None and value.spike

    def _read(self, values: Iterable[Value], name: str) -> None:
        for value in values:
            value.consumers.add(f"{name} #{len(self.nodes)}")

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


class _TapeOfCompiled(Tape):
    """A tape that torch's compiler does not look into."""

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        return True

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        return super().__torch_dispatch__(func, types, args, kwargs)


def new_tape(take: Take | None = None) -> Tape:
    """Return a tape, take being as in `Tape`; where the compiler is at work, one that it leaves alone."""
    return (_TapeOfCompiled if "torch._dynamo" in sys.modules else Tape)(take)
