"""What batch norms cost in inference: nothing where their scale and shift fold into what makes their input.

Behind a layer a norm is that layer's weights and bias. Behind a sum it scales every term, each of which may take the
scale in: a layer into its weights and bias, a spike in what is added where it arrives. Any other term is multiplied.
"""

from __future__ import annotations

from collections import Counter as Multiset
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from bench.measure.counting.nodes import Node, Value
from bench.models import layers
from bench.records.counts import OtherOps

_OTHER, _SPIKE = "", "spike"  # terms that are no layer's; a layer's is "layer NAME"
_LAYER = "layer "
_OPERATORS = frozenset(
    "native_batch_norm _native_batch_norm_legit _native_batch_norm_legit_no_training cudnn_batch_norm"
    " miopen_batch_norm _batch_norm_with_update _batch_norm_no_update batch_norm".split()
)

Terms = tuple[str, ...]


@dataclass(frozen=True)
class NormCall:
    """One call of a batch norm on `elements` numbers showing `value`; None for data that the input does not reach."""

    name: str
    value: Value | None
    elements: int
    fits: bool  # where one layer made the numbers: each of its channels meets one scale
    channels: tuple[int, ...]  # from the axis of the scales on
    has_statistics: bool
    statistics: int = 0  # the storage that they are in, of a norm that is no module, and the module that runs it
    where: str = ""


class Norms:
    """The batch norms of a network, over batches.

    Weights take a norm in where all that they make goes to that norm and to nothing else, in every pass.
    """

    def __init__(self) -> None:
        self._elements: Multiset[tuple[str, Terms]] = Multiset()  # by norm and the terms of what it reads
        self._weights: dict[str, str] = {}  # of layers; one weight may be that of several
        self._goes_to: dict[str, set[str | None]] = {}  # weights -> where their outputs go; None: to no norm alone
        self.unknown: set[str] = set()

    def add(self, calls: Iterable[NormCall], outputs: Mapping[str, Sequence[Value]], nodes: Sequence[Node]) -> None:
        """Add the calls of one pass. outputs: what each synaptic layer put out, call by call.  nodes: of its tape."""
        made_by = {id(node.output): node for node in nodes if node.output is not None}
        reached: dict[int, str] = {}  # the norm that an output of a layer goes to
        for call in calls:
            if not call.has_statistics:
                self.unknown.add(f"{call.name}: batch norm without running statistics")
                continue
            terms = list(_terms(call.value, made_by))
            times = Multiset(map(id, terms))
            words = []
            for value in terms:
                # What is added to itself, moved perhaps, meets two scales.
                folds = value is not None and times[id(value)] == 1 and _folds(value, call)
                folds = folds and (call.fits if value is call.value else _is_aligned(value, call))
                words.append(_word(value, folds))
                if folds:
                    reached[id(value)] = call.name
            self._elements[call.name, tuple(sorted(words))] += call.elements
        for layer, values in outputs.items():
            for value in values:
                self._weights[layer] = value.weights
                self._goes_to.setdefault(value.weights, set()).add(reached.get(id(value)))

    @property
    def folded_into(self) -> set[str]:
        """The layers that a norm's shift is the bias of: one for each norm."""
        found = (self._folded(norm, terms)[1] for norm, terms in self._elements)
        return {layer for layer in found if layer is not None}

    def ops(self, samples: int) -> list[OtherOps]:
        """Return what is left of them per sample."""
        totals: dict[str, Multiset[str]] = {}
        for (norm, terms), elements in self._elements.items():
            for word, times in self._folded(norm, terms)[0].items():
                totals.setdefault(norm, Multiset())[word] += times * elements
        return [
            OtherOps(name=norm, column="norm", ops_per_sample={word: n / samples for word, n in sorted(total.items())})
            for norm, total in totals.items()
        ]

    def _folded(self, norm: str, terms: Terms) -> tuple[dict[str, int], str | None]:
        """Return what a norm costs per element of its input, and the layer whose bias its shift is."""
        names = [term.removeprefix(_LAYER) for term in terms if term.startswith(_LAYER)]
        layers = [name for name in names if self._goes_to[self._weights[name]] == {norm}]
        spikes = terms.count(_SPIKE)
        if spikes == len(terms):  # one of two constants, or a sum that begins with the shift
            return {"select" if spikes == 1 else "add": 1}, None
        others = len(terms) - len(layers) - spikes
        if not layers or others > 1:  # the sum itself is scaled and shifted
            return {"mul": 1, "add": 1}, None
        return {"mul": 1} if others else {}, layers[0]


def norm_call(name: str, norm: nn.Module, x: Tensor, value: Value | None) -> NormCall:
    """Return what a batch norm reads, x, which shows `value`."""
    assert isinstance(norm, nn.modules.batchnorm._BatchNorm)
    axis = _axis_of_channels(norm, x)
    fits = value is not None and value.channels > 0 and _takes_in(value, x, axis)
    return NormCall(name, value, x.numel(), fits, tuple(x.shape[axis:]), norm.running_mean is not None)


def norm_of_call(
    op: str, where: str, args: tuple[Any, ...], value_of: Callable[[Tensor], Value | None], before: Iterable[NormCall]
) -> NormCall | None:
    """Return the batch norm that an operator in the module `where` is; None for another, and for one that learns.

    value_of: what a tensor shows.  before: the norms of this pass, of which each has a name of its own.
    """
    if op not in _OPERATORS or args[3] is None or (op != "_native_batch_norm_legit_no_training" and args[5]):
        return None
    x, constants = args[0], args[1:5]
    value = value_of(x)
    if any(constant is not None and value_of(constant) is not None for constant in constants):
        return None
    held = args[3].untyped_storage()._cdata
    names = {call.statistics: call.name for call in before if call.statistics and call.where == where}
    label = where or "batch_norm"
    name = names.get(held, label if not names else f"{label} #{len(names) + 1}")
    fits = value is not None and value.channels > 0 and _takes_in(value, x, 1)
    return NormCall(name, value, x.numel(), fits, tuple(x.shape[1:]), True, held, where)


def _axis_of_channels(norm: nn.Module, x: Tensor) -> int:
    """Return the axis that a norm has scales for: the second, or the third of a sequence [T, N, C, ...]."""
    spatial = {nn.BatchNorm2d: 2, nn.BatchNorm3d: 3}
    rank = next((rank for kind, rank in spatial.items() if isinstance(norm, kind)), None)
    if rank is not None:
        return x.dim() - rank - 1
    return 2 if x.dim() > 3 or (x.dim() == 3 and type(norm).__module__ == layers.__name__) else 1


def _takes_in(value: Value, x: Tensor, axis: int) -> bool:
    """Whether a norm over an axis of x has one scale for each channel of the layer that made x.

    In memory, a channel is a digit of a number's place, and so is a feature of the norm: its digit has to lie in the
    other. A copy of another shape could be anything.
    """
    if x.untyped_storage()._cdata != value.storage:
        return tuple(x.shape) == value.shape and x.shape[axis] == value.channels
    feature, features = x.stride(axis), x.shape[axis]
    inside = feature % value.stride == 0 and feature * features <= value.stride * value.channels
    return features == 1 or (value.stride > 0 and inside)


def _terms(value: Value | None, made_by: Mapping[int, Node]) -> Iterator[Value | None]:
    """Yield what a value is the sum of, as far as each sum goes nowhere else; itself where it is none."""
    node = None if value is None else made_by.get(id(value))
    adds = node is not None and node.op == "add" and set(node.cost or {}) == {"add"} and len(node.inputs) > 1
    if value is None or node is None or not adds or node.broadcasts or len(value.consumers) > 1:
        yield value
        return
    for term in node.inputs:
        yield from _terms(term, made_by)


def _folds(value: Value, call: NormCall) -> bool:
    """Whether a term is what weights have made, all of it once and used nowhere else, and each scale is of its own."""
    return len(value.consumers) == 1 and value.elements == call.elements and value.channels > 0


def _is_aligned(value: Value | None, call: NormCall) -> bool:
    """Whether a term of a sum has its layer's channels where the norm has its scales."""
    assert value is not None
    return value.shape[-len(call.channels) :] == call.channels and value.channels == call.channels[0]


def _word(value: Value | None, folds: bool) -> str:
    if value is None:
        return _OTHER
    if folds:
        return f"{_LAYER}{value.source}"
    return _SPIKE if value.spike else _OTHER
