"""What a whole network costs under one table: its layers and the rest, added up in picojoule per sample."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from bench.energy.costs import (
    Cost,
    LayerCosts,
    RestCosts,
    add_up,
    charged_work,
    known,
    partial_rest,
    price,
    prices_addressing,
    rest_costs,
)
from bench.energy.table import CostTable
from bench.energy.work import Work
from bench.records.counts import Counts, LayerCount, OtherOps


@dataclass(frozen=True)
class NetworkCosts:
    """The costs of a network. None where something has no price, or is outside the table's scope.

    layers: one per `counts.layers`.  zero_skipping: the rule for analog input that `chosen` follows.
    """

    counts: Counts
    table: CostTable
    layers: tuple[LayerCosts, ...]
    zero_skipping: bool

    @cached_property
    def dense(self) -> list[Cost]:
        """The layers with every multiply-accumulate charged."""
        return [costs.dense for costs in self.layers]

    @cached_property
    def skipping(self) -> list[Cost]:
        """The layers with zeros skipped."""
        return [costs.skipping for costs in self.layers]

    @property
    def chosen(self) -> list[Cost]:
        """The layers under the rule chosen."""
        return self.skipping if self.zero_skipping else self.dense

    @cached_property
    def rest(self) -> RestCosts:
        """All that is not a synaptic layer."""
        return rest_costs(self.counts, self.updates, self.table)

    @cached_property
    def updates(self) -> list[Work]:
        """What each neuron layer is charged for operation by operation."""
        return [charged_work(neuron, self.table) for neuron in self.counts.neurons]

    def synapse(self, layers: Sequence[Cost]) -> float | None:
        """Return the synapses of some layers; None where products were not counted."""
        missing = self.counts.synapses_not_counted
        missing = self.counts.not_counted if missing is None else missing
        return None if missing else add_up(cost.synapse for cost in layers)

    def total(self, layers: Sequence[Cost]) -> float | None:
        """Return some layers and the rest; None where work was not counted."""
        return self._total(layers, self.rest)

    @property
    def at_least(self) -> float:
        """What has a price of what was counted, under the rule chosen: all of it where nothing is left out."""
        rest = self.rest.total
        if rest is None:
            rest = self.rest.memory + self.rest.routing + partial_rest(self.counts, self.updates, self.table)
        return sum((known(cost) for cost in self.chosen), rest)

    @property
    def synapse_at_least(self) -> float:
        """What has a price of the synapses that were counted, under the rule chosen."""
        return sum((cost.synapse or 0.0 for cost in self.chosen), 0.0)

    def total_with_sigmoid_at(self, factor: float) -> float | None:
        """Return the total if a sigmoid cost `factor` times its price."""
        works = (*(work.operations for work in self.updates), *(each.ops_per_sample for each in self.counts.other_ops))
        if not any("sigmoid" in operations for operations in works):
            return self.total(self.chosen)
        return self._total(self.chosen, rest_costs(self.counts, self.updates, self.table.scaled("sigmoid", factor)))

    def _total(self, layers: Sequence[Cost], rest: RestCosts) -> float | None:
        return None if self.counts.not_counted else add_up([*(cost.total for cost in layers), rest.total])

    @property
    def total_cached(self) -> float | None:
        """The total with every layer computed once whose input is the same at every timestep."""
        if self.counts.not_counted:
            return None
        layers = (_once(cost, layer) for cost, layer in zip(self.chosen, self.counts.layers, strict=True))
        return add_up([*layers, self.rest.total, _cached_bias(self.counts, self.table)])

    @property
    def memory(self) -> float | None:
        """All memory accesses."""
        return add_up([*(cost.memory for cost in self.chosen), self.rest.memory]) if self.table.memory else None

    @property
    def addressing(self) -> float | None:
        """Addresses and the routing of spikes."""
        if self.table.spike_pj is None and not prices_addressing(self.table):
            return None
        return add_up([*(cost.addressing for cost in self.chosen), self.rest.routing])

    def per_spike(self, layers: Sequence[Cost]) -> float | None:
        """Return the part of some layers and the rest that is taken to grow with the firing rate; none of analog ones.

        None under an operating point: it is the power of one load, and how it grows cannot be told from it.
        """
        if self.table.operating_point:
            return None
        return add_up([*(cost.per_spike for cost in layers), self.rest.per_spike])

    @property
    def unpriced(self) -> tuple[str, ...]:
        """The operations without a price, as `where: operation`."""
        counts, prices = self.counts, self.table.operation_pj
        work = [(layer.name, cost.operations) for layer, cost in zip(counts.layers, self.chosen, strict=True)]
        work += [(n.name, own.operations) for n, own in zip(counts.neurons, self.updates, strict=True)]
        work += [(o.name, o.ops_per_sample) for o in counts.other_ops if o.column not in self.table.included]
        found = [f"{name}: {op}" for name, ops in work for op, n in ops.items() if n and op not in prices]
        return tuple(dict.fromkeys(found))


def _once(cost: Cost, layer: LayerCount) -> float | None:
    """Return the cost of a layer, computed once where its input is the same at every timestep."""
    if cost.total is None or not layer.static_input:
        return cost.total
    return (cost.total - cost.load) / layer.timesteps + cost.load


def _cached_bias(counts: Counts, table: CostTable) -> float | None:
    """Return what is saved, as a negative number, when layers with a static input add their bias once."""
    added: dict[str, list[OtherOps]] = {}
    for other in counts.other_ops:
        if other.column == "bias":
            added.setdefault(other.name, []).append(other)
    saved = 0.0
    for layer in counts.layers if "bias" not in table.included else ():
        if layer.static_input and layer.has_bias:
            each_time = add_up(price(other.ops_per_sample, table) for other in added.get(layer.name, []))
            if each_time is None:
                return None
            saved += each_time * (1.0 - 1.0 / layer.timesteps)
    return -saved
