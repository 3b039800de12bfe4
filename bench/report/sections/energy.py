"""Estimated energy in detail: one part per cost table, with its scope, its split and its assumptions."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from bench.energy.estimate import EnergyBreakdown
from bench.energy.memory import AccessPrice
from bench.energy.table import CostTable
from bench.report.evidence.comparison import Comparison, Entry
from bench.report.evidence.pricing import DENSE, ZERO_SKIPPING, Priced
from bench.report.evidence.statistics import summarise
from bench.report.formats.text import bullets, energy_unit, escape, joined, ratio, table, times
from bench.report.sections.breakeven import bit_matched, break_even, published_bounds, rate_cell

COLUMNS = ("bias", "norm", "pooling", "residual", "encoder", "readout", "neuron", "memory", "addressing")


def energy(comparison: Comparison, priced: Sequence[Priced]) -> str:
    """Return one subsection per cost table, and what does not depend on a table."""
    parts = [_one_table(comparison, each) for each in priced]
    after = [break_even(comparison, priced), bit_matched(comparison, priced), published_bounds(comparison)]
    return "\n\n".join([part for part in [_preface(comparison), *parts, *after] if part])


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
        *_about_memory(costs),
    ]
    notes = "; ".join(f"*{escape(name)}*: {escape(why.rstrip('.'))}" for name, why in costs.assumptions.items())
    return bullets([*lines, f"Assumptions and notes. {notes}."] if notes else lines)


def _about_memory(costs: CostTable) -> list[str]:
    lines = []
    if costs.memory is not None:
        prices = [*([("any access", costs.memory.price)] if costs.memory.price else []), *costs.memory.prices.items()]
        found = "; ".join(f"{name}: {_access_price(price)}" for name, price in prices)
        lines.append(f"Memory, pJ per {costs.memory.word_bits}-bit word: {found}.")
    if costs.neuron_update_pj is not None:
        lines.append(f"A neuron update, pJ per state word: {costs.neuron_update_pj:g}.")
    if costs.spike_pj is not None:
        lines.append(f"A routed spike, pJ (in the column addressing): {costs.spike_pj:g}.")
    if costs.included:
        lines.append(f"Contained in these prices, not priced apart: {', '.join(costs.included)}.")
    return lines


def _access_price(price: AccessPrice) -> str:
    points = [f"{pj:g} at {size:,.0f} bytes" for size, pj in zip(price.sizes_bytes, price.pj, strict=True)]
    parts = [f"{price.base_pj:g}"] if price.base_pj else []
    parts += [f"{price.pj_per_bit:g} per bit of the memory"] if price.pj_per_bit else []
    parts += [", ".join(points)] if points else []
    return " + ".join(parts) or "0"


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
    return "" if entry is priced.baseline else rate_cell(priced.break_even_rate(entry, mode))


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
    return lambda breakdown: breakdown.parts[name]


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
