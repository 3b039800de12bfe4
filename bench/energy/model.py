"""Estimated energy: counts times the prices of a cost table, as a pure function, with what has no price left open.

One rule for every synaptic layer, by the kind of its input:

    binary, ternary   one AC per effective synop
    graded            as many ACs per synop as its input has levels
    analog            one MAC per dense MAC (an ordinary accelerator does not skip); zero-skipping: per effective synop

None means not available, 0.0 that there is no such work.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from bench.energy.table import CostTable, load_table, table_names
from bench.record import Column, Counts, LayerCount

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
    (`unpriced` names it) or where work was not counted (`not_counted` names it). Memory and addressing are None
    where they are outside the table's scope; a total then leaves them out, as `table.scope` says.
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


def estimate_energy(counts: Counts, table: CostTable | str | Path, *, zero_skipping: bool = False) -> EnergyBreakdown:
    """Return the energy per sample of what was counted, under `table` (a name, a path ending in .toml, or a table).

    zero_skipping: whether the headline figures let analog layers skip zero inputs. Both are in the result.
    Raises UnknownNameError or TableError for a table that cannot be used.
    """
    if not isinstance(table, CostTable):
        table = load_table(table)
    layers = tuple(_layer_energy(layer, table, zero_skipping) for layer in counts.layers)
    neurons = tuple(
        NeuronEnergy(n.name, n.neuron, _price(n.ops_per_update, table, n.units * n.timesteps)) for n in counts.neurons
    )
    columns: dict[Column, float | None] = {
        column: _column(counts, column, table)
        for column in ("bias", "norm", "pooling", "residual", "encoder", "readout")
    }
    neuron = _sum(n.pj_per_sample for n in neurons)
    rest = _sum([*columns.values(), neuron])
    if counts.not_counted:
        rest = None
    dense = _sum(layer.dense_pj_per_sample for layer in layers)
    skipping = _sum(layer.zero_skipping_pj_per_sample for layer in layers)
    synapse = skipping if zero_skipping else dense
    cached_bias = _cached_bias(counts, table)
    cached = _sum([_sum(layer.cached_pj_per_sample for layer in layers), rest, cached_bias])

    def total_at(factor: float) -> float | None:
        other = table.scaled("sigmoid", factor)
        moved = [_price(n.ops_per_update, other, n.units * n.timesteps) for n in counts.neurons]
        moved += [_price(o.ops_per_sample, other) for o in counts.other_ops]
        return None if counts.not_counted else _sum([synapse, *moved])

    return EnergyBreakdown(
        table=table,
        zero_skipping=zero_skipping,
        synapse_pj_per_sample=synapse,
        synapse_dense_pj_per_sample=dense,
        synapse_zero_skipping_pj_per_sample=skipping,
        bias_pj_per_sample=columns["bias"],
        norm_pj_per_sample=columns["norm"],
        pooling_pj_per_sample=columns["pooling"],
        residual_pj_per_sample=columns["residual"],
        encoder_pj_per_sample=columns["encoder"],
        readout_pj_per_sample=columns["readout"],
        neuron_pj_per_sample=neuron,
        memory_pj_per_sample=None,
        addressing_pj_per_sample=None,
        total_pj_per_sample=_sum([synapse, rest]),
        total_dense_pj_per_sample=_sum([dense, rest]),
        total_zero_skipping_pj_per_sample=_sum([skipping, rest]),
        total_cached_pj_per_sample=cached,
        total_sigmoid_free_pj_per_sample=total_at(0.0),
        total_sigmoid_tenfold_pj_per_sample=total_at(10.0),
        layers=layers,
        neurons=neurons,
        unpriced=_unpriced(counts, table, layers),
        not_counted=tuple(counts.not_counted),
    )


def _layer_energy(layer: LayerCount, table: CostTable, zero_skipping: bool) -> LayerEnergy:
    mac, ac = table.operation_pj.get("mac"), table.operation_pj.get("ac")
    effective = layer.effective_synops_per_sample
    effective_mac = _times(effective, mac)
    if layer.input_kind == "analog":
        operation, operations = "mac", effective if zero_skipping else layer.dense_macs_per_sample
        dense, skipping = _times(layer.dense_macs_per_sample, mac), effective_mac
    else:
        acs = effective if layer.graded_acs_total is None else layer.graded_acs_total / layer.samples
        operation, operations = "ac", acs
        dense = skipping = _times(acs, ac)
    chosen = skipping if zero_skipping else dense
    cached = chosen / layer.timesteps if chosen is not None and layer.static_input else chosen
    return LayerEnergy(
        layer.name, layer.input_kind, operation, operations, chosen, dense, skipping, effective_mac, cached
    )


def _cached_bias(counts: Counts, table: CostTable) -> float | None:
    """Return what is saved, as a negative number, when layers with a static input add their bias once."""
    saved = 0.0
    for layer in counts.layers:
        if layer.static_input and layer.has_bias:
            bias = [o for o in counts.other_ops if o.column == "bias" and o.name == layer.name]
            price = _sum(_price(o.ops_per_sample, table) for o in bias)
            if price is None:
                return None
            saved += price * (1.0 - 1.0 / layer.timesteps)
    return -saved


def _column(counts: Counts, column: Column, table: CostTable) -> float | None:
    return _sum(_price(o.ops_per_sample, table) for o in counts.other_ops if o.column == column)


def _unpriced(counts: Counts, table: CostTable, layers: Iterable[LayerEnergy]) -> tuple[str, ...]:
    found = [f"{layer.name}: {layer.operation}" for layer in layers if layer.pj_per_sample is None]
    work = [(n.name, n.ops_per_update) for n in counts.neurons] + [(o.name, o.ops_per_sample) for o in counts.other_ops]
    found += [f"{name}: {op}" for name, ops in work for op, n in ops.items() if n and op not in table.operation_pj]
    return tuple(dict.fromkeys(found))


def _price(operations: Mapping[str, float], table: CostTable, times: float = 1.0) -> float | None:
    return _sum(_times(count * times, table.operation_pj.get(operation)) for operation, count in operations.items())


def _times(count: float, price: float | None) -> float | None:
    if count == 0:
        return 0.0
    return None if price is None else count * price


def _sum(parts: Iterable[float | None]) -> float | None:
    total = 0.0
    for part in parts:
        if part is None:
            return None
        total += part
    return total
