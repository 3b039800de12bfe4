"""What batch norms cost in inference: nothing where their scale and shift fold into what makes their input.

Behind a layer a norm is that layer's weights and bias. Behind a sum it scales every term, each of which may take the
scale in: a layer into its weights and bias, a spike in what is added where it arrives. Any other term is multiplied.
"""

from __future__ import annotations

from collections import Counter as Multiset
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from bench.measure.counting.nodes import Node, Value
from bench.records.counts import OtherOps

_OTHER, _SPIKE = "", "spike"  # terms that are no layer's; a layer's is "layer NAME"
_LAYER = "layer "

Terms = tuple[str, ...]


@dataclass(frozen=True)
class NormCall:
    """One call of a batch norm on `elements` numbers showing `value`; None for data that the input does not reach."""

    name: str
    value: Value | None
    elements: int
    features: int  # each with a scale and shift of its own
    has_statistics: bool


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
    whole = len(value.consumers) == 1 and value.elements == call.elements
    return whole and value.channels > 0 and value.channels % call.features == 0


def _word(value: Value | None, folds: bool) -> str:
    if value is None:
        return _OTHER
    if folds:
        return f"{_LAYER}{value.source}"
    return _SPIKE if value.spike else _OTHER
