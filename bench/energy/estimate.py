"""Estimated energy: counts times the prices of a cost table, as a pure function, with what has no price left open.

What a network has to do follows one rule for every layer, by the kind of its input (`bench.energy.work`), or the
published formulas that a table asks for (`bench.energy.rules.lemaire`). None means not available, 0.0 that there is no
such work.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from bench.energy.breakdown import EnergyBreakdown, LayerEnergy, NeuronEnergy
from bench.energy.costs import LayerCosts, layer_costs, narrowed_for, neuron_pj, prices_addressing, times
from bench.energy.hybrid import divided, spikes, together
from bench.energy.network import NetworkCosts
from bench.energy.table import CostTable, load_table, table_names
from bench.energy.work import synops
from bench.records.counts import Counts, LayerCount

__all__ = [
    "CostTable",
    "EnergyBreakdown",
    "LayerEnergy",
    "NeuronEnergy",
    "estimate_energy",
    "load_table",
    "table_names",
]


def estimate_energy(
    counts: Counts,
    table: CostTable | str | Path,
    *,
    zero_skipping: bool = False,
    network_input_table: CostTable | None = None,
) -> EnergyBreakdown:
    """Return the energy per sample of what was counted, under `table` (a name, a path ending in .toml, or a table).

    A table with a `rest` prices spiking layers and neurons, and its `rest` all else and networks without spikes.
    zero_skipping: whether the headline figures let analog layers skip zero inputs. Both are in the result.
    network_input_table: prices the layers that see the network's own input, where that is not `table`.
    Raises UnknownNameError or TableError for a table that cannot be used.
    """
    if not isinstance(table, CostTable):
        table = load_table(table)
    if table.rest_table is None:
        return _under_one(counts, table, zero_skipping, network_input_table)
    if not spikes(counts):
        return replace(_under_one(counts, table.rest_table, zero_skipping, network_input_table), table=table)
    own, other = divided(counts, table)
    chip = _under_one(own, table, zero_skipping, network_input_table)
    return together(counts, chip, _under_one(other, table.rest_table, zero_skipping, network_input_table))


def estimate_totals(counts: Counts, table: CostTable) -> tuple[float | None, float | None]:
    """Return the energy per sample in pJ, with analog layers dense and with zeros skipped.

    That is `total_dense_pj_per_sample` and `total_zero_skipping_pj_per_sample` of `estimate_energy`, in less time.
    """
    if table.rest_table is not None:
        found = estimate_energy(counts, table)
        return found.total_dense_pj_per_sample, found.total_zero_skipping_pj_per_sample
    network = NetworkCosts(counts, table, tuple(layer_costs(layer, table) for layer in counts.layers), False)
    return network.total(network.dense), network.total(network.skipping)


def _under_one(
    counts: Counts, table: CostTable, zero_skipping: bool, network_input_table: CostTable | None
) -> EnergyBreakdown:
    tables = [(network_input_table if layer.network_input else None) or table for layer in counts.layers]
    layers = tuple(layer_costs(layer, own) for layer, own in zip(counts.layers, tables, strict=True))
    network = NetworkCosts(counts, table, layers, zero_skipping)
    both, rest = (network.dense, network.skipping), network.rest
    synapses, drivens, totals = (
        [of(each) for each in both] for of in (network.synapse, network.per_spike, network.total)
    )
    return EnergyBreakdown(
        table=table,
        zero_skipping=zero_skipping,
        synapse_pj_per_sample=synapses[zero_skipping],
        synapse_dense_pj_per_sample=synapses[False],
        synapse_zero_skipping_pj_per_sample=synapses[True],
        bias_pj_per_sample=rest.columns["bias"],
        norm_pj_per_sample=rest.columns["norm"],
        pooling_pj_per_sample=rest.columns["pooling"],
        residual_pj_per_sample=rest.columns["residual"],
        encoder_pj_per_sample=rest.columns["encoder"],
        readout_pj_per_sample=rest.columns["readout"],
        neuron_pj_per_sample=rest.neuron,
        memory_pj_per_sample=network.memory,
        addressing_pj_per_sample=network.addressing,
        per_spike_pj_per_sample=drivens[zero_skipping],
        per_spike_dense_pj_per_sample=drivens[False],
        per_spike_zero_skipping_pj_per_sample=drivens[True],
        total_pj_per_sample=totals[zero_skipping],
        total_dense_pj_per_sample=totals[False],
        total_zero_skipping_pj_per_sample=totals[True],
        total_cached_pj_per_sample=network.total_cached,
        total_sigmoid_free_pj_per_sample=network.total_with_sigmoid_at(0.0),
        total_sigmoid_tenfold_pj_per_sample=network.total_with_sigmoid_at(10.0),
        layers=tuple(_layer_energy(*found, zero_skipping) for found in zip(counts.layers, layers, tables, strict=True)),
        neurons=tuple(
            NeuronEnergy(neuron.name, neuron.neuron, neuron_pj(neuron, work, table))
            for neuron, work in zip(counts.neurons, network.updates, strict=True)
        ),
        unpriced=network.unpriced,
        not_counted=tuple(counts.not_counted),
        at_least_pj_per_sample=network.at_least,
        synapse_at_least_pj_per_sample=network.synapse_at_least,
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
        times(synops(layer, zero_skipping), narrowed_for(layer, table).operation_pj.get("mac")),
        cached,
        chosen.memory if table.memory else None,
        chosen.addressing if prices_addressing(table) else None,
    )
