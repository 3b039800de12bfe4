"""Estimated energy in detail: one part per cost table, with its scope, its split and its assumptions."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from bench.energy.model import CostTable, EnergyBreakdown
from bench.report.frame import Comparison, Entry
from bench.report.pricing import DENSE, ZERO_SKIPPING, Priced
from bench.report.statistics import summarise
from bench.report.text import NOT_AVAILABLE, bullets, energy_unit, escape, fixed, joined, number, ratio, table, times

COLUMNS = ("bias", "norm", "pooling", "residual", "encoder", "readout", "neuron", "memory", "addressing")
# Dampfhoffer et al. 2023, "Are SNNs Really More Energy-Efficient Than ANNs? An In-Depth Hardware-Aware Study".
SPIKES_PER_SYNAPSE_BAND = (0.15, 1.38)
YAN_BOUND_PERCENT = 6.4  # Yan et al. 2024, "Reconsidering the energy efficiency of spiking neural networks"


def energy(comparison: Comparison, priced: Sequence[Priced]) -> str:
    """Return one subsection per cost table, and what does not depend on a table."""
    parts = [_one_table(comparison, each) for each in priced]
    return "\n\n".join([part for part in [_preface(comparison), *parts, _per_synapse(comparison)] if part])


def _preface(comparison: Comparison) -> str:
    base = escape(comparison.baseline.label)
    return (
        "Derived from the counts, per test sample and summed over all timesteps; mean over finished runs. "
        "*Dense*: an analog layer is charged every multiply-accumulate. *Zero-skipping*: an analog layer skips zero "
        f"inputs, in {base} and in every other entry alike. n/a: an operation has no price in the table, or is outside "
        "its scope; it is never counted as 0."
    )


def _one_table(comparison: Comparison, priced: Priced) -> str:
    entries = [entry for entry in comparison.entries if entry.done]
    parts = [f"### {escape(priced.name)}", _about(priced.table)]
    if entries:
        parts += [_totals(priced, entries), "Where it goes, dense:", _split(priced, entries)]
        parts += [_sigmoid(priced, entries), _graded(priced, entries), _unpriced(priced, entries)]
    return "\n\n".join(part for part in parts if part)


def _about(costs: CostTable) -> str:
    prices = ", ".join(f"{name} {pj:g}" for name, pj in costs.operation_pj.items())
    lines = [
        f"{escape(costs.title)}. Node: {costs.node_nm:g} nm. Precision: {escape(costs.precision)}.",
        f"Source: {escape(costs.source.rstrip('.'))}.",
        f"Scope: {escape(costs.scope.rstrip('.'))}.",
        f"Prices, pJ: {escape(prices)}.",
    ]
    assumed = "; ".join(f"{name} {why}" for name, why in costs.assumptions.items())
    return bullets([*lines, f"Assumed, not in the source: {escape(assumed)}."] if assumed else lines)


def _totals(priced: Priced, entries: Sequence[Entry]) -> str:
    unit = energy_unit(priced.means(entries))
    rows = []
    for entry in entries:
        row = [escape(entry.label)]
        for what in ("total", "synapse"):
            for mode in (DENSE, ZERO_SKIPPING):
                row += [unit.of(priced.mean(entry, what, mode)), times(priced.ratio(entry, what, mode))]
        cached = priced.of(entry, lambda b: b.total_cached_pj_per_sample).mean
        row += [unit.of(cached), *(_break_even(priced, entry, mode) for mode in (DENSE, ZERO_SKIPPING))]
        rows.append(row)
    base = escape(priced.baseline.label)
    header = [f"entry, {unit.name} per sample ↓"]
    for what in ("total", "synapses only"):
        for mode in ("dense", "zero-skipping"):
            header += [f"{what}, {mode}", f"× {base}"]
    header += ["total, static input cached once", "break-even firing rate, dense", "break-even, zero-skipping"]
    return table(header, rows)


def _break_even(priced: Priced, entry: Entry, mode: str) -> str:
    if entry is priced.baseline:
        return ""
    rate = priced.break_even_rate(entry, mode)
    if rate is None:
        return NOT_AVAILABLE
    if rate < 0:
        return "none: more even without a spike"
    return "any: less even at 1" if rate > 1 else fixed(rate, 4)


def _split(priced: Priced, entries: Sequence[Entry]) -> str:
    figures: dict[str, Callable[[EnergyBreakdown], float | None]] = {
        "synapse": lambda breakdown: breakdown.synapse_dense_pj_per_sample
    } | {name: _column(name) for name in COLUMNS}
    means = {name: [priced.of(entry, figure).mean for entry in entries] for name, figure in figures.items()}
    unit = energy_unit(value for column in means.values() for value in column)
    rows = [
        [escape(entry.label), *(unit.of(column[index]) for column in means.values())]
        for index, entry in enumerate(entries)
    ]
    return table([f"entry, {unit.name} per sample", *means], rows)


def _column(name: str) -> Callable[[EnergyBreakdown], float | None]:
    return lambda breakdown: getattr(breakdown, f"{name}_pj_per_sample")


def _sigmoid(priced: Priced, entries: Sequence[Entry]) -> str:
    """The dense total when the assumed price of a sigmoid is nothing or ten times as much; empty where none is used."""
    figures: list[Callable[[EnergyBreakdown], float | None]] = [
        lambda breakdown: breakdown.total_sigmoid_free_pj_per_sample,
        lambda breakdown: breakdown.total_pj_per_sample,
        lambda breakdown: breakdown.total_sigmoid_tenfold_pj_per_sample,
    ]
    means = {entry.label: [priced.of(entry, figure).mean for figure in figures] for entry in entries}
    if all(free == tenfold for free, _, tenfold in means.values()):
        return ""
    unit = energy_unit(value for row in means.values() for value in row)
    base = priced.mean(priced.baseline, "total", DENSE)
    rows = [
        [escape(label), *(f"{unit.of(value)} ({times(ratio(value, base))})" for value in row)]
        for label, row in means.items()
    ]
    header = [f"total with a sigmoid at, {unit.name} (× {escape(priced.baseline.label)})"]
    return table([*header, "0 × its price", "its price", "10 × its price"], rows)


def _graded(priced: Priced, entries: Sequence[Entry]) -> str:
    """Layers with graded input, whose spikes are priced as one AC per level, with the price of MACs beside it."""
    rows = []
    for entry in entries:
        breakdowns = priced.breakdowns[entry.label]
        for name in dict.fromkeys(layer.name for b in breakdowns for layer in b.layers if layer.input_kind == "graded"):
            layers = [layer for b in breakdowns for layer in b.layers if layer.name == name]
            as_acs = summarise([layer.pj_per_sample for layer in layers if layer.pj_per_sample is not None]).mean
            macs = [layer.effective_mac_pj_per_sample for layer in layers]
            as_macs = summarise([value for value in macs if value is not None]).mean
            rows.append((entry.label, name, as_acs, as_macs))
    unit = energy_unit(value for *_, as_acs, as_macs in rows for value in (as_acs, as_macs))
    cells = [[escape(label), escape(name), unit.of(as_acs), unit.of(as_macs)] for label, name, as_acs, as_macs in rows]
    header = ["entry", "graded layer", f"as ACs per level, {unit.name}", f"as one MAC per synop, {unit.name}"]
    return table(header, cells, text_columns=2) if rows else ""


def _unpriced(priced: Priced, entries: Sequence[Entry]) -> str:
    rows = []
    for entry in entries:
        breakdowns = priced.breakdowns[entry.label]
        missing = joined(what for breakdown in breakdowns for what in breakdown.unpriced)
        if missing:
            names = joined(layer.name for b in breakdowns for layer in b.layers if layer.input_kind != "analog")
            rows.append((entry.label, missing, priced.spiking_pj(entry) if names else None, names or "none"))
    unit = energy_unit(pj for _, _, pj, _ in rows)
    cells = [[escape(label), escape(missing), escape(names), unit.of(pj)] for label, missing, pj, names in rows]
    header = ["entry", "no price for", "spiking layers", f"spiking layers alone, {unit.name} per sample"]
    return table(header, cells, text_columns=3) if rows else ""


def _per_synapse(comparison: Comparison) -> str:
    rows = []
    for entry in comparison.entries:
        values = []
        for record in entry.done:
            spiking = [layer for layer in record.layers if layer.input_kind != "analog"]
            once = sum(layer.dense_macs_per_sample / layer.timesteps for layer in spiking)
            if once:
                values.append(sum(layer.effective_synops_per_sample for layer in spiking) / once)
        if values:
            rate = entry.summary(lambda record: record.counts.firing_rate if record.counts else None).mean
            percent = None if rate is None else 100 * rate
            rows.append([escape(entry.label), number(summarise(values).mean), fixed(percent)])
    if not rows:
        return ""
    low, high = SPIKES_PER_SYNAPSE_BAND
    note = (
        "### Against published bounds\n\nSpikes per synapse and inference, over the layers whose input is not analog: "
        f"effective synops / (dense MACs / T). Dampfhoffer et al. (2023) find that a spiking network has to stay below "
        f"{low} to {high}, depending on the hardware; Yan et al. (2024) that its firing rate has to stay below "
        f"{YAN_BOUND_PERCENT} % for T of 5 to 10."
    )
    return f"{note}\n\n{table(['entry', 'spikes per synapse and inference', 'firing rate, %'], rows)}"
