"""What was counted on somebody's model, with what every figure rests on."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from bench.energy.conventions.base import Charge, Convention, Operation
from bench.energy.estimate import EnergyBreakdown
from bench.records.counts import Counts, LayerCount
from bench.report.formats.document import Block, Bullets, Paragraph, Table
from bench.report.formats.inline import Inline, Said, text
from bench.report.formats.text import joined, number
from bench.report.sections.cells import operations
from bench.report.sections.cost_table import hybrid
from bench.report.sections.spike_driven import audited


def counts_of_model(
    name: str, counts: Counts, energy: EnergyBreakdown, conventions: Sequence[Convention] = ()
) -> list[Block]:
    """Return layers with kinds and reasons, neurons, energy and what is left out; all per sample but totals.

    conventions: of others, each with what it charges every layer.
    """
    samples = f"{counts.samples} sample" + ("s" if counts.samples != 1 else "")
    steps = f", T = {counts.timesteps}" if counts.timesteps > 1 else ""
    return [
        Paragraph(text(Said(name), f": counted on {samples}{steps}; figures are per sample, summed over timesteps.")),
        _layers(counts, energy),
        *audited({name: [counts]}),
        *_neurons(counts),
        *_others(counts),
        *_energy(energy),
        *(block for convention in conventions for block in _by_others(convention, counts)),
        *_coverage(counts),
        *_listed("Left out of the figures:", energy.left_out),
        *_listed("Warnings:", counts.warnings),
    ]


def side_by_side(names: Iterable[str], counted: Iterable[tuple[Counts, EnergyBreakdown]]) -> Table:
    """Return the figures of several models beside one another."""
    columns = list(counted)
    rows: list[list[Inline]] = [
        ["samples counted", *(f"{counts.samples:,}" for counts, _ in columns)],
        ["dense MACs", *(f"{counts.dense_macs_per_sample:,.0f}" for counts, _ in columns)],
        ["share of them that is counted", *(_share(counts) for counts, _ in columns)],
        ["effective synops", *(f"{counts.effective_synops_per_sample:,.1f}" for counts, _ in columns)],
        ["firing rate", *(_rate(counts) for counts, _ in columns)],
        ["synapses, pJ", *(_bound(e.synapse_pj_per_sample, e.synapse_at_least_pj_per_sample) for _, e in columns)],
        ["energy, pJ", *(_bound(e.total_pj_per_sample, e.at_least_pj_per_sample) for _, e in columns)],
    ]
    first = columns[0][1].at_least_pj_per_sample
    ratios = [f"{e.at_least_pj_per_sample / first:.3f}" if first else "n/a" for _, e in columns]
    rows.append(["energy, ratio to the first", *ratios])
    return Table(["per sample", *map(Said, names)], rows)


def _coverage(counts: Counts) -> list[Block]:
    if not counts.not_counted:
        return []
    names = joined(counts.not_counted)
    return [
        Paragraph(text(f"Counted operand by operand: {_share(counts)} of the dense MACs, without ", Said(names), "."))
    ]


def _share(counts: Counts) -> str:
    share = counts.coverage_fraction
    return "a share not known" if share is None else f"{100 * share:.1f} %"


def _rate(counts: Counts) -> str:
    return "n/a" if counts.firing_rate is None else number(counts.firing_rate)


def _bound(whole: float | None, at_least: float) -> str:
    return f"at least {at_least:,.1f}" if whole is None else f"{whole:,.1f}"


def _layers(counts: Counts, energy: EnergyBreakdown) -> Table:
    rows: list[list[Inline]] = [
        [
            Said(layer.name),
            Said(layer.kind),
            _kind(layer),
            Said(counts.reasons.get(layer.name, "")),
            number(layer.input_density_fraction) + (" silent" if layer.silent else ""),
            f"{layer.timesteps:g}",
            f"{layer.dense_macs_per_sample:,.0f}",
            f"{layer.effective_synops_per_sample:,.1f}",
            _pruned(layer),
            priced.operation.upper(),
            "n/a" if priced.pj_per_sample is None else f"{priced.pj_per_sample:,.1f}",
        ]
        for layer, priced in zip(counts.layers, energy.layers, strict=True)
    ]
    header = ["layer", "kind", "input", "why", "input density", "passes", "dense MACs", "effective synops"]
    header += ["without zero weights", "priced as", "pJ"]
    return Table(header, rows, text_columns=4)


def _kind(layer: LayerCount) -> str:
    kind = layer.input_kind + (f" x {layer.second_kind}" if layer.second_kind else "")
    levels = f" ({layer.input_levels} levels of {layer.input_unit:g})" if layer.input_unit else ""
    bits = f" of {layer.input_bits} bits" if layer.input_bits else ""
    weights = f", {layer.weight_bits}-bit weights" if layer.weight_bits else ""
    return kind + levels + bits + (f", {layer.weight_kind} weights" if layer.weight_kind else weights)


def _pruned(layer: LayerCount) -> str:
    total = layer.synops_without_zero_weights_total
    return "" if total is None else f"{total / layer.samples:,.1f}"


def _neurons(counts: Counts) -> list[Block]:
    rows: list[list[Inline]] = [
        [
            Said(neuron.name),
            Said(neuron.neuron),
            f"{neuron.units:,}",
            f"{neuron.timesteps:g}",
            number(neuron.firing_rate) + ("" if neuron.spiking else " of outputs not 0"),
            Said(operations(neuron.ops_per_update)),
            str(neuron.state_words),
        ]
        for neuron in counts.neurons
    ]
    header = ["layer", "neuron", "neurons", "updates", "firing rate", "operations per update", "state words"]
    return [Table(header, rows, text_columns=2)] if rows else []


def _others(counts: Counts) -> list[Block]:
    rows = [[Said(other.name), other.column, Said(operations(other.ops_per_sample))] for other in counts.other_ops]
    return [Table(["where", "column", "operations per sample"], rows, text_columns=3)] if rows else []


def _energy(energy: EnergyBreakdown) -> list[Block]:
    table = energy.table
    rows: list[list[Inline]] = [
        [part, "outside the table" if pj is None else f"{pj:,.1f}"] for part, pj in energy.parts.items()
    ]
    rows.append(["total", _bound(energy.total_pj_per_sample, energy.at_least_pj_per_sample)])
    who = "" if table.rest_table is None else f" {hybrid(table, table.rest_table)}"
    said = f"Energy estimated under {table.label}: {table.title}. Scope: {table.scope}.{who} Source: {table.source}."
    return [Paragraph(text(Said(said))), Table(["part", "pJ"], rows)]


def _by_others(convention: Convention, counts: Counts) -> list[Block]:
    """Return what another tool or paper makes of the same counts, layer by layer beside ours, its errors included."""
    estimate = convention.estimate(counts)
    rows: list[list[Inline]] = [
        [Said(layer.name), f"{layer.dense_macs_per_sample:,.0f}", f"{layer.effective_synops_per_sample:,.1f}", *charged]
        for layer, charge in zip(counts.layers, estimate.charges, strict=True)
        for charged in [_charged(charge, estimate.prices.of)]
    ]
    whole, at_least = estimate.pj_per_sample, estimate.at_least_pj_per_sample
    in_all = "n/a" if at_least is None else _bound(whole, at_least)
    said = f"By {convention.title} ({convention.status}), errors included: {in_all} pJ. {convention.formula}."
    header = ["layer", "dense MACs", "effective synops", "charged as", "operations charged", "pJ"]
    wrong = [*convention.errors, *convention.not_in_number]
    return [
        Paragraph(text(Said(said), " Source: ", Said(convention.source), ".")),
        Table(header, rows, text_columns=1),
        *_listed("What to know of it:", wrong),
        *_listed("Missing from it:", estimate.missing),
    ]


def _charged(charge: Charge | None, price: Callable[[Operation, float], float]) -> list[Inline]:
    if charge is None:
        return ["left out", "", ""]
    pj = price(charge.operation, charge.operations)
    return [charge.operation.upper(), f"{charge.operations:,.1f}", f"{pj:,.1f}"]


def _listed(heading: str, lines: Iterable[str]) -> list[Block]:
    found = [Said(line) for line in lines]
    return [Paragraph(heading), Bullets(found)] if found else []
