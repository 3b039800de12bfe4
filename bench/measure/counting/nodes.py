"""What a tape notes: values that depend on the input, operations on them, and sums of products."""

from __future__ import annotations

from collections import Counter as Multiset
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor


@dataclass(eq=False)
class Value:
    """Data that depends on the network's input."""

    discrete: bool  # descends from spikes or event counts, through sums, scalings and pooling only
    network_input: bool = False
    source: str | None = None  # the synaptic layer that made it
    origin: str = ""  # what made it other than spikes or event counts, in words
    parts: int = 0  # that pooling has divided a spike into; 0: not known
    elements: int = 0  # of the layer's output
    weights: str = ""  # that made it: those of one name are scaled together
    channels: int = 0  # of the layer's output, each with weights of its own; 0: no weights made it
    stride: int = 0  # from channel to channel, in the layer's output
    shape: tuple[int, ...] = ()  # of the layer's output
    storage: int = 0  # which holds the layer's output
    bits: int = 0  # of a quantised number; 0: as wide as the arithmetic is
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
    sums_products: bool = False  # or may, where its cost is not known


@dataclass(frozen=True)
class Recorded:
    """How much was on a tape at one time, and who had read each value."""

    nodes: int
    norms: int
    reordered: bool
    time_is_gone: bool
    consumers: list[tuple[Value, set[str]]]


@dataclass(frozen=True)
class Contraction:
    """A call that sums products, at least one operand of which depends on the input."""

    op: str
    overload: Any  # of torch.ops.aten
    where: str
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    out: Tensor


def total_cost(nodes: list[Node]) -> dict[str, int]:
    """Sum the known costs of `nodes`, operations that do not occur left out."""
    total: Multiset[str] = Multiset()
    for node in nodes:
        total.update(node.cost or {})
    return {word: count for word, count in sorted(total.items()) if count}
