"""Work outside synapses and neurons: bias, batch norm, pooling, sums and readout, from a tape of one forward pass."""

from __future__ import annotations

from collections import Counter as Multiset
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from bench.measure.counting.ops import COMPARISONS, POOLING, REDUCTIONS
from bench.measure.counting.tape import Node, Tape, Value, total_cost
from bench.records.counts import Column, LayerCount, OtherOps

# Looking at a value in Python costs the network nothing.
_LOOKS = frozenset(["_local_scalar_dense", "item", "is_nonzero", "equal"])


@dataclass(frozen=True)
class NormCall:
    """One call of a batch norm on `elements` numbers showing `value`; None for data that the input does not reach."""

    name: str
    value: Value | None
    elements: int
    has_statistics: bool


def bias_ops(layers: Iterable[LayerCount]) -> list[OtherOps]:
    """One addition per output and timestep of every layer that has a bias."""
    found = []
    for layer in layers:
        outputs = 1
        for extent in layer.output_shape:
            outputs *= extent
        if layer.has_bias:
            found.append(OtherOps(name=layer.name, column="bias", ops_per_sample={"add": outputs * layer.timesteps}))
    return found


def norm_ops(
    calls: Iterable[NormCall], outputs: Mapping[str, list[Value]], samples: int
) -> tuple[list[OtherOps], list[str], set[str]]:
    """Return what batch norms cost per sample, those that cannot be counted, and the layers that others fold into.

    A batch norm folds where all outputs of one synaptic layer go to it and to nothing else: it is then that layer's
    bias. Otherwise it is one multiply and one add per element. `outputs`: what each synaptic layer put out, call by
    call.
    """
    elements: Multiset[str] = Multiset()
    unknown, into = [], set()
    for call in calls:
        source = call.value.source if call.value else None
        if not call.has_statistics:
            unknown.append(f"{call.name}: batch norm without running statistics")
        elif source is None or any(value.consumers != {call.name} for value in outputs[source]):
            elements[call.name] += call.elements
        else:
            into.add(source)
    ops = [
        OtherOps(name=name, column="norm", ops_per_sample={"mul": count / samples, "add": count / samples})
        for name, count in elements.items()
    ]
    return ops, unknown, into


def node_ops(nodes: Iterable[Node], samples: int) -> tuple[list[OtherOps], list[str]]:
    """Return what operations outside counted modules cost per sample, and those whose cost is not known, by name."""
    totals: dict[tuple[str, Column], Multiset[str]] = {}
    unknown = []
    for node in nodes:
        where = node.where or "forward"
        if node.op in _LOOKS:
            continue
        if node.cost is None:
            unknown.append(f"{where}: aten.{node.op}")
            continue
        column = _column(node)
        cost = dict(node.cost)
        if node.op == "mean" and (column == "pooling" or not cost["add"]):
            cost.pop("mul")  # a constant divisor folds into the weights that follow; a mean of one value is that value
        totals.setdefault((where, column), Multiset()).update({word: count for word, count in cost.items() if count})
    ops = [
        OtherOps(name=where, column=column, ops_per_sample={word: count / samples for word, count in cost.items()})
        for (where, column), cost in totals.items()
        if cost
    ]
    return ops, unknown


def readout_ops(output_shape: tuple[int, ...], samples: int, timesteps: int) -> list[OtherOps]:
    """The mean over timesteps that whoever called the network takes of its logits [T, N, classes]."""
    if timesteps == 1 or output_shape[:2] != (timesteps, samples):
        return []
    classes = 1
    for extent in output_shape[2:]:
        classes *= extent
    cost: dict[str, float] = {"add": (timesteps - 1) * classes, "mul": classes}
    return [OtherOps(name="readout", column="readout", ops_per_sample=cost)]


def encoder_ops(encode: Callable[[Tensor], Tensor], images: Tensor) -> tuple[list[OtherOps], list[str]]:
    """Return what making a sequence [T, N, ...] from images [N, ...] costs per sample, and what of it is not known.

    Repeating an image costs nothing; a random number, a comparison and the like cost what they are.
    """
    tape = Tape()
    tape.mark(images, Value(discrete=False))
    with torch.no_grad(), tape:
        encode(images)
    nodes = tape.canonical_nodes()
    unknown = sorted({f"encoder: aten.{node.op}" for node in nodes if node.cost is None})
    cost = {word: count / images.shape[0] for word, count in total_cost(nodes).items()}
    return ([OtherOps(name="encoder", column="encoder", ops_per_sample=cost)] if cost else []), unknown


def makes_spikes(nodes: Iterable[Node]) -> bool:
    """Whether these operations compare something that was not discrete before: what a spiking neuron does."""
    return any(node.op in COMPARISONS and not all(value.discrete for value in node.inputs) for node in nodes)


def _column(node: Node) -> Literal["pooling", "readout", "residual"]:
    if node.op in POOLING:
        return "pooling"
    if node.op in REDUCTIONS:
        return "readout" if node.time_reduced else "pooling"
    return "residual"
