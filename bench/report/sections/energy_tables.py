"""The energy of every entry under one cost table: totals, their parts, and what rests on an assumption."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from bench.energy.estimate import EnergyBreakdown
from bench.report.evidence.entry import Entry
from bench.report.evidence.evidence import Evidence
from bench.report.evidence.pricing import DENSE, ZERO_SKIPPING, Priced
from bench.report.evidence.statistics import summarise
from bench.report.formats.document import Block, Paragraph, Section, Table
from bench.report.formats.inline import Inline, Said, text
from bench.report.formats.text import energy_unit, joined, ratio, times
from bench.report.sections.break_even import rate_cell
from bench.report.sections.cells import label
from bench.report.sections.cost_table import about
from bench.report.sections.soundness import label_and_state

COLUMNS = ("bias", "norm", "pooling", "residual", "encoder", "readout", "neuron", "memory", "addressing")

Figure = Callable[[EnergyBreakdown], float | None]


def energy_tables(evidence: Evidence, priced: Priced) -> Section:
    """Return the subsection of a cost table."""
    blocks: list[Block] = [about(priced.table)]
    entries = [entry for entry in evidence.comparison.entries if entry.done]
    if entries:
        blocks += [_totals(evidence, priced, entries), Paragraph("Where it goes, dense:"), _split(priced, entries)]
        blocks += [
            *_precision(evidence, priced),
            *_sigmoid(priced, entries),
            *_graded(priced, entries),
            *_unpriced(priced, entries),
        ]
    return Section(Said(priced.name), blocks)


def _totals(evidence: Evidence, priced: Priced, entries: Sequence[Entry]) -> Table:
    unit = energy_unit(priced.means(entries))
    rows = []
    for entry in entries:
        row: list[Inline] = [label_and_state(entry)]
        for what in ("total", "synapse"):
            for mode in (DENSE, ZERO_SKIPPING):
                ratio = times(priced.ratio(entry, what, mode))
                row += [unit.of(priced.mean(entry, what, mode)), ratio]
                if what == "total":
                    row[-1] = f"{ratio}{_interval(evidence, priced, entry, mode)}"
        cached = priced.of(entry, lambda b: b.total_cached_pj_per_sample).mean
        row += [unit.of(cached), *(_break_even(priced, entry, mode) for mode in (DENSE, ZERO_SKIPPING))]
        rows.append(row)
    header: list[Inline] = [f"entry, {unit.name} per sample ↓"]
    for what in ("total", "synapses only"):
        for mode in ("dense", "zero-skipping"):
            header += [f"{what}, {mode}", text("× ", label(priced.baseline))]
    header += ["total, static input cached once", "break-even firing rate, dense", "break-even, zero-skipping"]
    return Table(header, rows)


def _precision(evidence: Evidence, priced: Priced) -> list[Block]:
    """Say that accuracy was measured with wider numbers than the table prices, where it was."""
    trained, bits = evidence.comparison.suite.spec.train.precision, priced.table.bits
    if bits is None or bits >= _WIDTHS[trained]:
        return []
    words = (
        f"It prices operands of {bits} bits. The accuracies were measured as trained, in {trained}: what {bits} bits "
        "would leave of them was not measured, but for layers that were trained or rounded to few bits."
    )
    return [Paragraph(words)]


_WIDTHS = {"fp32": 32, "bf16": 16, "fp16": 16}


def _interval(evidence: Evidence, priced: Priced, entry: Entry, mode: str) -> str:
    found = None if entry is priced.baseline else evidence.energy_interval(priced, entry, mode)
    return "" if found is None else f" ({times(found[0])} to {times(found[1])})"


def _break_even(priced: Priced, entry: Entry, mode: str) -> str:
    return "" if entry is priced.baseline else rate_cell(priced.break_even_rate(entry, mode))


def _split(priced: Priced, entries: Sequence[Entry]) -> Table:
    figures: dict[str, Figure] = {"synapse": lambda breakdown: breakdown.synapse_dense_pj_per_sample}
    figures |= {name: _column(name) for name in COLUMNS}
    means = {name: [priced.of(entry, figure).mean for entry in entries] for name, figure in figures.items()}
    unit = energy_unit(value for column in means.values() for value in column)
    rows: list[list[Inline]] = [
        [label_and_state(entry), *(unit.of(column[index]) for column in means.values())]
        for index, entry in enumerate(entries)
    ]
    return Table([f"entry, {unit.name} per sample", *means], rows)


def _column(name: str) -> Figure:
    return lambda breakdown: breakdown.parts[name]


def _sigmoid(priced: Priced, entries: Sequence[Entry]) -> list[Block]:
    """The dense total when the assumed price of a sigmoid is nothing or ten times as much; none where none is used."""
    figures: list[Figure] = [
        lambda breakdown: breakdown.total_sigmoid_free_pj_per_sample,
        lambda breakdown: breakdown.total_pj_per_sample,
        lambda breakdown: breakdown.total_sigmoid_tenfold_pj_per_sample,
    ]
    means = [(entry, [priced.of(entry, figure).mean for figure in figures]) for entry in entries]
    if all(free == tenfold for _, (free, _, tenfold) in means):
        return []
    unit = energy_unit(value for _, row in means for value in row)
    base = priced.mean(priced.baseline, "total", DENSE)
    cells: list[list[Inline]] = []
    for entry, row in means:
        against = base if priced.comparable(entry) else None
        each = (f"{unit.of(value)} ({times(ratio(value, against))})" for value in row)
        cells.append([label_and_state(entry), *each])
    first = text(f"total with a sigmoid at, {unit.name} (× ", label(priced.baseline), ")")
    return [Table([first, "0 × its price", "its price", "10 × its price"], cells)]


def _graded(priced: Priced, entries: Sequence[Entry]) -> list[Block]:
    """Layers with graded input, whose spikes are priced as one AC per level, with the price of MACs beside it."""
    rows = []
    for entry in entries:
        breakdowns = priced.breakdowns[entry.label]
        for name in dict.fromkeys(layer.name for b in breakdowns for layer in b.layers if layer.input_kind == "graded"):
            layers = [layer for b in breakdowns for layer in b.layers if layer.name == name]
            as_acs = summarise([layer.pj_per_sample for layer in layers if layer.pj_per_sample is not None]).mean
            macs = [layer.effective_mac_pj_per_sample for layer in layers]
            as_macs = summarise([value for value in macs if value is not None]).mean
            rows.append((entry, name, as_acs, as_macs))
    unit = energy_unit(value for *_, as_acs, as_macs in rows for value in (as_acs, as_macs))
    cells = [[label(entry), Said(name), unit.of(as_acs), unit.of(as_macs)] for entry, name, as_acs, as_macs in rows]
    header = ["entry", "graded layer", f"as ACs per level, {unit.name}", f"as one MAC per synop, {unit.name}"]
    return [Table(header, cells, text_columns=2)] if rows else []


def _unpriced(priced: Priced, entries: Sequence[Entry]) -> list[Block]:
    rows = []
    for entry in entries:
        breakdowns = priced.breakdowns[entry.label]
        missing = joined(what for breakdown in breakdowns for what in breakdown.unpriced)
        if missing:
            names = joined(layer.name for b in breakdowns for layer in b.layers if layer.input_kind != "analog")
            rows.append((entry, missing, priced.spiking_pj(entry) if names else None, names or "none"))
    unit = energy_unit(pj for _, _, pj, _ in rows)
    cells = [[label(entry), Said(missing), Said(names), unit.of(pj)] for entry, missing, pj, names in rows]
    header = ["entry", "no price for", "spiking layers", f"spiking layers alone, {unit.name} per sample"]
    return [Table(header, cells, text_columns=3)] if rows else []
