"""Work outside synapses and neurons: bias, pooling, sums and readout, from a tape of one forward pass."""

from __future__ import annotations

from collections import Counter as Multiset
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from bench.measure.counting.nodes import Node, Value, total_cost
from bench.measure.counting.ops import POOLING, is_power_of_two
from bench.measure.counting.reductions import REDUCTIONS
from bench.measure.counting.spikes import THRESHOLDS
from bench.measure.counting.tape import new_tape
from bench.records.counts import Column, LayerCount, OtherOps

# Looking at a value in Python costs the network nothing.
_LOOKS = frozenset(["_local_scalar_dense", "item", "is_nonzero", "equal"])


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


@dataclass(frozen=True)
class Work:
    """Operations of one kind in one place."""

    where: str
    op: str
    column: Column
    known: bool  # what they cost
    thresholds: bool  # they compare what was not discrete before: what a spiking neuron does
    sums_products: bool = False  # or may, where it is not known what they cost


class Works(dict[Work, Multiset[str]]):
    """What operations outside counted modules cost, added up over batches."""

    def add(self, nodes: Iterable[Node]) -> None:
        """Add the nodes of one pass."""
        for node in nodes:
            if node.op in _LOOKS:
                continue
            column, cost = _column(node), dict(node.cost or {})
            if node.op == "mean" and cost and (column == "pooling" or not cost["add"]):
                # A constant divisor folds into the weights that follow; a mean of one value is it.
                cost = {word: count for word, count in cost.items() if word not in ("mul", "shift")}
            work = Work(node.where, node.op, column, node.cost is not None, _thresholds(node), node.sums_products)
            self.setdefault(work, Multiset()).update(cost)

    def ops(self, samples: int) -> list[OtherOps]:
        """Return them per sample, by place and column."""
        totals: dict[tuple[str, Column], Multiset[str]] = {}
        for work, cost in self.items():
            totals.setdefault((work.where or "forward", work.column), Multiset()).update(cost)
        found = []
        for (where, column), total in totals.items():
            each = {word: count / samples for word, count in total.items() if count}
            found += [OtherOps(name=where, column=column, ops_per_sample=each)] if each else []
        return found

    def unknown(self) -> dict[str, bool]:
        """Return those whose cost is not known, `where: aten.op`, and whether they may sum products."""
        found: dict[str, bool] = {}
        for work in self:
            if not work.known:
                words = f"{work.where or 'forward'}: {work.op if '.' in work.op else f'aten.{work.op}'}"
                found[words] = found.get(words, False) or work.sums_products
        return found


def readout_ops(output_shape: tuple[int, ...], samples: int, timesteps: int) -> list[OtherOps]:
    """The mean over timesteps that whoever called the network takes of its logits, [T, N, classes] or [N, T, classes].

    A mean is a product with 1/T, which is a shift where T is a power of two.
    """
    if timesteps == 1 or sorted(output_shape[:2]) != sorted((timesteps, samples)):
        return []
    classes = 1
    for extent in output_shape[2:]:
        classes *= extent
    scaling = "shift" if is_power_of_two(timesteps) else "mul"
    cost: dict[str, float] = {"add": (timesteps - 1) * classes, scaling: classes}
    return [OtherOps(name="readout", column="readout", ops_per_sample=cost)]


def encoder_ops(encode: Callable[[Tensor], Tensor], images: Tensor) -> tuple[list[OtherOps], list[str]]:
    """Return what making a sequence [T, N, ...] from images [N, ...] costs per sample, and what of it is not known.

    Repeating an image costs nothing; a random number, a comparison and the like cost what they are.
    """
    tape = new_tape()
    tape.mark(images, Value(discrete=False))
    with torch.no_grad(), tape:
        encode(images)
    nodes = tape.canonical_nodes()
    unknown = sorted({f"encoder: aten.{node.op}" for node in nodes if node.cost is None})
    cost = {word: count / images.shape[0] for word, count in total_cost(nodes).items()}
    return ([OtherOps(name="encoder", column="encoder", ops_per_sample=cost)] if cost else []), unknown


def _thresholds(node: Node) -> bool:
    # A number drawn is compared with how likely it is.
    return node.op in (*THRESHOLDS, "bernoulli") and not all(value.discrete for value in node.inputs)


def _column(node: Node) -> Literal["pooling", "readout", "residual"]:
    if node.op in POOLING:
        return "pooling"
    if node.op in REDUCTIONS:
        return "readout" if node.time_reduced else "pooling"
    return "residual"
