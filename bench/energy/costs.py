"""What the work of a network costs under one table, in picojoule per sample; None where something has no price."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from bench.energy.memory import Memory
from bench.energy.narrow import narrowed
from bench.energy.rules.base import Rule, rule_called
from bench.energy.table import CostTable
from bench.energy.work import Work
from bench.records.counts import Column, Counts, LayerCount, NeuronCount

UNPRICED = Memory(accesses="per-operation", word_bits=32)  # of a table that has no memory: nothing has a price


@dataclass(frozen=True)
class Cost:
    """Picojoule per sample of one layer. `load` is paid once per sample, however many timesteps there are."""

    operations: Mapping[str, float]
    synapse: float | None
    memory: float
    load: float
    addressing: float | None
    per_spike: float | None

    @cached_property
    def total(self) -> float | None:
        """Synapse, memory and addressing together."""
        return add_up([self.synapse, self.memory, self.addressing])


@dataclass(frozen=True)
class LayerCosts:
    """A layer under both rules; the two are the same where the input is spikes and no weight is zero."""

    dense: Cost
    skipping: Cost

    def under(self, zero_skipping: bool) -> Cost:
        """Return the cost under one rule."""
        return self.skipping if zero_skipping else self.dense


@dataclass(frozen=True)
class RestCosts:
    """Picojoule per sample of all that is not a synaptic layer; `total` skips what other prices contain."""

    columns: Mapping[Column, float | None]
    neuron: float | None
    memory: float
    routing: float
    per_spike: float | None
    total: float | None


def layer_costs(layer: LayerCount, table: CostTable) -> LayerCosts:
    """Price one synaptic layer, dense and zero-skipping; one of quantised inputs or weights by their bits."""
    rule, memory, own = rule_of(table), table.memory or UNPRICED, narrowed_for(layer, table)
    dense, skipping = (rule.layer(layer, zero_skipping, memory) for zero_skipping in (False, True))
    cost = _layer_cost(layer, dense, own, table)
    return LayerCosts(cost, cost if skipping == dense else _layer_cost(layer, skipping, own, table))


def _layer_cost(layer: LayerCount, work: Work, own: CostTable, table: CostTable) -> Cost:
    cost = _cost(work, own, table)
    return replace(cost, per_spike=0.0) if layer.network_input else cost  # which no firing rate of the network drives


def narrowed_for(layer: LayerCount, table: CostTable) -> CostTable:
    """Return the table at the widths of a layer's inputs and weights, where these are quantised and it says its own."""
    if not (layer.input_bits or layer.weight_bits):
        return table
    return narrowed(table, layer.input_bits, layer.weight_bits) or table


def charged_work(neuron: NeuronCount, table: CostTable) -> Work:
    """Return the work of a neuron layer that the table prices operation by operation."""
    rule = rule_of(table)
    work = rule.neuron(neuron, table.memory or UNPRICED)
    priced_whole = neuron.spiking and ("neuron" in table.included or table.neuron_update_pj is not None)
    return Work({}, work.accesses) if priced_whole and not rule.operations_beside_updates else work


def prices_addressing(table: CostTable) -> bool:
    """Whether the table's rule says how addresses are computed."""
    return rule_of(table).addressing


def rule_of(table: CostTable) -> Rule:
    """Return the rule by which the table charges. Raises ParameterError for outside code that is not trusted."""
    return rule_called((table.memory or UNPRICED).accesses)


def _cost(work: Work, table: CostTable, of_addresses: CostTable) -> Cost:
    addressing = price(work.addressing, of_addresses)
    driven = addressing if work.per_spike else 0.0  # where spikes come in, it is they that are addressed
    accesses = _accesses(work, table)
    return Cost(
        work.operations,
        price(work.operations, table),
        accesses.whole,
        accesses.load,
        addressing,
        add_up([price(work.per_spike, table), driven, accesses.per_spike]),
    )


@dataclass(frozen=True, slots=True)
class _Accesses:
    """Picojoule per sample of memory accesses, and of some of them."""

    whole: float = 0.0
    load: float = 0.0
    per_spike: float = 0.0


def _accesses(work: Work, table: CostTable) -> _Accesses:
    if table.memory is None:
        return _Accesses()
    whole = load = per_spike = 0.0
    for access in work.accesses:
        pj = table.memory.access_pj(access.purpose, access.words)
        if pj is None:
            continue
        found = access.per_sample * pj
        whole += found
        if access.purpose == "load":
            load += found
        if access.per_spike:
            per_spike += found
    return _Accesses(whole, load, per_spike)


def rest_costs(counts: Counts, works: Sequence[Work], table: CostTable) -> RestCosts:
    """Price neurons, bias, batch norm, pooling, sums, encoder and readout, and the routing of spikes.

    works: what `charged_work` says of each of the neurons.
    """
    columns = _columns(counts, table)
    inside = "neuron" in table.included
    found = zip(counts.neurons, works, strict=True)
    neurons = add_up(neuron_pj(n, work, table) for n, work in found if not (inside and n.spiking))
    accesses = [_accesses(work, table) for work in works]
    memory = sum(each.whole for each in accesses)
    routing = sum(_routing(neuron, table) for neuron in counts.neurons if neuron.spiking)
    driven = [add_up([price(w.per_spike, table), a.per_spike]) for w, a in zip(works, accesses, strict=True)]
    driven += [_updates_of_spikes(neuron, table) for neuron in counts.neurons if neuron.spiking]
    priced = [value for column, value in columns.items() if column not in table.included]
    return RestCosts(
        columns,
        None if inside and any(n.spiking for n in counts.neurons) else neurons,
        memory,
        routing,
        add_up([*driven, routing]),
        add_up([*priced, neurons, memory, routing]),
    )


def _routing(neuron: NeuronCount, table: CostTable) -> float:
    """Return the price of sending a layer's spikes: each, and each bit of its address."""
    bits = neuron.address_bits * (table.spike_bit_pj or 0.0)
    return neuron.spikes_per_sample * ((table.spike_pj or 0.0) + bits)


def _updates_of_spikes(neuron: NeuronCount, table: CostTable) -> float:
    """Return what a layer's updates cost more for their spikes than if all were idle."""
    active, idle = table.neuron_update_pj, table.neuron_update_idle_pj
    if active is None or idle is None or "neuron" in table.included:
        return 0.0
    return neuron.spikes_per_sample * max(1, neuron.state_words) * (active - idle)


def known(cost: Cost) -> float:
    """Return the parts of a layer's cost that have a price."""
    return sum(part for part in (cost.synapse, cost.memory, cost.addressing) if part is not None)


def partial_rest(counts: Counts, works: Sequence[Work], table: CostTable) -> float:
    """Price the operations that have a price of all that is not a synaptic layer."""
    total = 0.0
    for neuron, work in zip(counts.neurons, works, strict=True):
        whole = neuron_pj(neuron, work, table)
        total += _priced(work.operations, table) if whole is None else whole
    for other in counts.other_ops:
        total += 0.0 if other.column in table.included else _priced(other.ops_per_sample, table)
    return total


def _priced(operations: Mapping[str, float], table: CostTable) -> float:
    return sum(count * table.operation_pj.get(operation, 0.0) for operation, count in operations.items())


def neuron_pj(neuron: NeuronCount, work: Work, table: CostTable) -> float | None:
    """Return the price of a neuron layer's updates, None where it is part of another price or there is none.

    work: what `charged_work` says of it.
    """
    if neuron.spiking and "neuron" in table.included:
        return None
    if neuron.spiking and table.neuron_update_pj is not None:
        idle = table.neuron_update_pj if table.neuron_update_idle_pj is None else table.neuron_update_idle_pj
        silent = neuron.idle_updates_per_sample * max(1, neuron.state_words) * idle
        return silent + neuron.spikes_per_sample * max(1, neuron.state_words) * table.neuron_update_pj
    found = price(work.operations, table)
    return None if found is None else max(0.0, found)  # a neuron that does less than published terms contain


def _columns(counts: Counts, table: CostTable) -> dict[Column, float | None]:
    """Price the operations outside synapses and neurons; None where another price contains them."""
    found: dict[Column, list[float | None]] = {
        column: [] for column in ("bias", "norm", "pooling", "residual", "encoder", "readout")
    }
    for other in counts.other_ops:
        found[other.column].append(price(other.ops_per_sample, table))
    return {column: None if column in table.included else add_up(prices) for column, prices in found.items()}


def price(operations: Mapping[str, float], table: CostTable) -> float | None:
    """Return the price of some operations, None where one that occurs has none."""
    total, prices = 0.0, table.operation_pj
    for operation, count in operations.items():
        found = times(count, prices.get(operation))
        if found is None:
            return None
        total += found
    return total


def times(count: float, price: float | None) -> float | None:
    """Return count x price; nothing costs nothing, with or without a price."""
    if count == 0:
        return 0.0
    return None if price is None else count * price


def add_up(parts: Iterable[float | None]) -> float | None:
    """Return the sum, None where a part is missing."""
    total = 0.0
    for part in parts:
        if part is None:
            return None
        total += part
    return total
