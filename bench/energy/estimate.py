"""Estimated energy: counts times the prices of a cost table, as a pure function, with what has no price left open.

What a network has to do follows one rule for every layer, by the kind of its input (`bench.energy.work`), or the
published formulas that a table asks for (`bench.energy.rules.lemaire`). None means not available, 0.0 that there is no
such work.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from bench.energy.costs import (
    Cost,
    LayerCosts,
    add_up,
    charged_work,
    layer_costs,
    neuron_pj,
    price,
    prices_addressing,
    rest_costs,
    times,
)
from bench.energy.table import CostTable, load_table, table_names
from bench.records.counts import Counts, LayerCount, OtherOps

__all__ = [
    "CostTable",
    "EnergyBreakdown",
    "LayerEnergy",
    "NeuronEnergy",
    "estimate_energy",
    "load_table",
    "table_names",
]


@dataclass(frozen=True)
class LayerEnergy:
    """The synaptic energy of one layer, picojoule per sample, and the operations that it is made of."""

    name: str
    input_kind: str
    operation: str  # "ac" or "mac"
    operations_per_sample: float  # what `pj_per_sample` prices
    pj_per_sample: float | None  # under the rule chosen: dense or zero-skipping
    dense_pj_per_sample: float | None  # one MAC per dense MAC where analog; spiking layers as above
    zero_skipping_pj_per_sample: float | None  # one MAC per effective synop where analog; spiking layers as above
    effective_mac_pj_per_sample: float | None  # one MAC per effective synop, whatever the kind
    cached_pj_per_sample: float | None  # `pj_per_sample`, computed once where the input is the same at every timestep
    memory_pj_per_sample: float | None  # of its accesses; None where the table does not price memory
    addressing_pj_per_sample: float | None  # None where the table does not price addressing


@dataclass(frozen=True)
class NeuronEnergy:
    """The update energy of one neuron layer, picojoule per sample."""

    name: str
    neuron: str
    pj_per_sample: float | None


@dataclass(frozen=True)
class EnergyBreakdown:
    """The energy of one sample, all timesteps, under one table.

    `synapse_pj_per_sample` and every total follow the rule that was chosen, dense by default, for analog layers; the
    `_dense_` and `_zero_skipping_` figures are there under either. A total is None where an operation has no price
    (`unpriced` names it), and so are the figures of the synapses where work was not counted (`not_counted` names it).
    Memory and addressing are None where they are outside the table's scope; a total then leaves them out, as
    `table.scope` says. Neurons and bias are None where the price of an accumulate or an update contains them
    (`table.included`). The routing of spikes is addressing.
    """

    table: CostTable
    zero_skipping: bool
    synapse_pj_per_sample: float | None
    synapse_dense_pj_per_sample: float | None
    synapse_zero_skipping_pj_per_sample: float | None
    bias_pj_per_sample: float | None
    norm_pj_per_sample: float | None
    pooling_pj_per_sample: float | None
    residual_pj_per_sample: float | None
    encoder_pj_per_sample: float | None
    readout_pj_per_sample: float | None
    neuron_pj_per_sample: float | None
    memory_pj_per_sample: float | None
    addressing_pj_per_sample: float | None
    per_spike_pj_per_sample: float | None  # the part of a total that is taken to grow with the firing rate
    total_pj_per_sample: float | None
    total_dense_pj_per_sample: float | None
    total_zero_skipping_pj_per_sample: float | None
    total_cached_pj_per_sample: float | None  # layers whose input never changes over T are computed once
    total_sigmoid_free_pj_per_sample: float | None  # the price of a sigmoid is an assumption: at 0 ...
    total_sigmoid_tenfold_pj_per_sample: float | None  # ... and at 10 times it
    layers: tuple[LayerEnergy, ...]
    neurons: tuple[NeuronEnergy, ...]
    unpriced: tuple[str, ...]
    not_counted: tuple[str, ...]


def estimate_energy(
    counts: Counts,
    table: CostTable | str | Path,
    *,
    zero_skipping: bool = False,
    network_input_table: CostTable | None = None,
) -> EnergyBreakdown:
    """Return the energy per sample of what was counted, under `table` (a name, a path ending in .toml, or a table).

    zero_skipping: whether the headline figures let analog layers skip zero inputs. Both are in the result.
    network_input_table: prices the layers that see the network's own input, where that is not `table`.
    Raises UnknownNameError or TableError for a table that cannot be used.
    """
    if not isinstance(table, CostTable):
        table = load_table(table)
    tables = [(network_input_table if layer.network_input else None) or table for layer in counts.layers]
    layers = [layer_costs(layer, own) for layer, own in zip(counts.layers, tables, strict=True)]
    rest = rest_costs(counts, table)
    chosen = [costs.under(zero_skipping) for costs in layers]
    network = None if counts.not_counted else rest.total

    def synapse(parts: Iterable[Cost]) -> float | None:
        return None if counts.not_counted else add_up(part.synapse for part in parts)

    def total(parts: Iterable[Cost], others: float | None) -> float | None:
        return add_up([*(part.total for part in parts), others])

    def total_at(factor: float) -> float | None:
        others = rest_costs(counts, table.scaled("sigmoid", factor)).total
        return None if counts.not_counted else total(chosen, others)

    memory = add_up([*(cost.memory for cost in chosen), rest.memory])
    addressing = add_up([*(cost.addressing for cost in chosen), rest.routing])
    has_addressing = table.spike_pj is not None or prices_addressing(table)
    return EnergyBreakdown(
        table=table,
        zero_skipping=zero_skipping,
        synapse_pj_per_sample=synapse(chosen),
        synapse_dense_pj_per_sample=synapse(costs.dense for costs in layers),
        synapse_zero_skipping_pj_per_sample=synapse(costs.skipping for costs in layers),
        bias_pj_per_sample=rest.columns["bias"],
        norm_pj_per_sample=rest.columns["norm"],
        pooling_pj_per_sample=rest.columns["pooling"],
        residual_pj_per_sample=rest.columns["residual"],
        encoder_pj_per_sample=rest.columns["encoder"],
        readout_pj_per_sample=rest.columns["readout"],
        neuron_pj_per_sample=rest.neuron,
        memory_pj_per_sample=memory if table.memory else None,
        addressing_pj_per_sample=addressing if has_addressing else None,
        per_spike_pj_per_sample=add_up([*(costs.dense.per_spike for costs in layers), rest.per_spike]),
        total_pj_per_sample=total(chosen, network),
        total_dense_pj_per_sample=total((costs.dense for costs in layers), network),
        total_zero_skipping_pj_per_sample=total((costs.skipping for costs in layers), network),
        total_cached_pj_per_sample=add_up(
            [
                *(_once(cost, layer) for cost, layer in zip(chosen, counts.layers, strict=True)),
                network,
                _cached_bias(counts, table),
            ]
        ),
        total_sigmoid_free_pj_per_sample=total_at(0.0),
        total_sigmoid_tenfold_pj_per_sample=total_at(10.0),
        layers=tuple(_layer_energy(*found, zero_skipping) for found in zip(counts.layers, layers, tables, strict=True)),
        neurons=tuple(NeuronEnergy(n.name, n.neuron, neuron_pj(n, table)) for n in counts.neurons),
        unpriced=_unpriced(counts, table, layers, zero_skipping),
        not_counted=tuple(counts.not_counted),
    )


def _layer_energy(layer: LayerCount, costs: LayerCosts, table: CostTable, zero_skipping: bool) -> LayerEnergy:
    chosen = costs.under(zero_skipping)
    ((operation, operations),) = chosen.operations.items()
    cached = chosen.synapse
    if cached is not None and layer.static_input:
        cached /= layer.timesteps
    return LayerEnergy(
        layer.name,
        layer.input_kind,
        operation,
        operations,
        chosen.synapse,
        costs.dense.synapse,
        costs.skipping.synapse,
        times(layer.effective_synops_per_sample, table.operation_pj.get("mac")),
        cached,
        chosen.memory if table.memory else None,
        chosen.addressing if prices_addressing(table) else None,
    )


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


def _unpriced(counts: Counts, table: CostTable, layers: Iterable[LayerCosts], zero_skipping: bool) -> tuple[str, ...]:
    costs = [costs.under(zero_skipping) for costs in layers]
    work = [(layer.name, cost.operations) for layer, cost in zip(counts.layers, costs, strict=True)]
    work += [(n.name, charged_work(n, table).operations) for n in counts.neurons]
    work += [(other.name, other.ops_per_sample) for other in counts.other_ops if other.column not in table.included]
    found = [f"{name}: {op}" for name, ops in work for op, n in ops.items() if n and op not in table.operation_pj]
    return tuple(dict.fromkeys(found))
