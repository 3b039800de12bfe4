"""The comparison at a glance: a row per entry, in full, narrow, and as the numbers themselves."""

from __future__ import annotations

from bench.report.evidence.comparison import Comparison
from bench.report.evidence.crossed import Difference
from bench.report.evidence.entry import Entry
from bench.report.evidence.evidence import Evidence
from bench.report.evidence.pricing import DENSE, ZERO_SKIPPING, Priced
from bench.report.evidence.quantities import ACCURACY, BEST_ACCURACY, DENSE_MACS, EFFECTIVE_SYNOPS, FIRING_RATE
from bench.report.formats.document import MainTable, Table
from bench.report.formats.inline import Inline, Said, Text, text
from bench.report.formats.text import NOT_AVAILABLE, Unit, count_unit, energy_unit, fixed, joined, number, times
from bench.report.sections.cells import interval, label, mean_and_sd, with_unit
from bench.report.sections.main_values import values


def all_forms(evidence: Evidence) -> MainTable:
    """Return the main table in all its forms."""
    return MainTable(full_table(evidence), narrow_table(evidence), values(evidence))


def full_table(evidence: Evidence) -> Table:
    """Return every column, those of energy once per cost table."""
    comparison, entries = evidence.comparison, evidence.comparison.entries
    dense = count_unit(entry.summary(DENSE_MACS.value).mean for entry in entries)
    synops, energy = _synops_unit(comparison), [(each, energy_unit(each.means(entries))) for each in evidence.prices]
    header: list[Inline] = [
        *("entry", "T", "parameters", ACCURACY.directed, BEST_ACCURACY.directed, _difference_heading(comparison)),
        *(FIRING_RATE.directed, with_unit(DENSE_MACS.directed, dense), with_unit(EFFECTIVE_SYNOPS.directed, synops)),
    ]
    for each, unit in energy:
        for what in _whats(each).values():
            header.append(text(Said(each.name), f" {what}, {unit.name} ↓ (dense / zero-skipping)"))
    rows: list[list[Inline]] = [
        [
            label(entry),
            str(entry.spec.timesteps),
            joined(number(record.parameters) for record in entry.done) or NOT_AVAILABLE,
            _accuracy(entry),
            mean_and_sd(entry.summary(BEST_ACCURACY.value)),
            _difference(comparison, entry),
            _firing_rate(entry),
            dense.of(entry.summary(DENSE_MACS.value).mean),
            synops.of(entry.summary(EFFECTIVE_SYNOPS.value).mean),
            *(_energy(each, entry, what, unit) for each, unit in energy for what in _whats(each)),
        ]
        for entry in entries
    ]
    return Table(header, rows)


def narrow_table(evidence: Evidence) -> Table:
    """Return the columns that fit a page: energy under the first cost table, its ratio under the first two."""
    comparison, priced = evidence.comparison, evidence.leading
    synops = _synops_unit(comparison)
    unit = energy_unit(priced.mean(entry, "total", DENSE) for entry in comparison.entries)
    header: list[Inline] = [
        *("entry", "T", ACCURACY.directed, _difference_heading(comparison), FIRING_RATE.directed),
        *(with_unit("synops per sample ↓", synops), text(f"energy, {unit.name} ↓ (", Said(priced.name), ")")),
        text("× ", label(comparison.baseline), ": dense / zero-skipping ↓"),
        *(text("× under ", Said(each.name), " ↓") for each in evidence.prices[1:2]),
    ]
    rows: list[list[Inline]] = [
        [
            label(entry),
            str(entry.spec.timesteps),
            _accuracy(entry),
            _difference(comparison, entry),
            _firing_rate(entry),
            synops.of(entry.summary(EFFECTIVE_SYNOPS.value).mean),
            unit.of(priced.mean(entry, "total", DENSE)),
            *(_ratios(each, entry, "total") for each in evidence.prices[:2]),
        ]
        for entry in comparison.entries
    ]
    return Table(header, rows)


def _whats(priced: Priced) -> dict[str, str]:
    """Return which energies a table has columns for: synapses without their memory are no figure of one with memory."""
    return {"total": "total"} if priced.table.memories else {"total": "total", "synapse": "synapses only"}


def _synops_unit(comparison: Comparison) -> Unit:
    return count_unit(entry.summary(EFFECTIVE_SYNOPS.value).mean for entry in comparison.entries)


def _difference_heading(comparison: Comparison) -> Text:
    return text("Δ to ", label(comparison.baseline), ", points (95 % interval) ↑")


def _accuracy(entry: Entry) -> str:
    """Return mean ± sd with n, how many runs were planned where fewer finished, and their states; or what became."""
    summary = entry.summary(ACCURACY.value)
    if not summary.n:
        return f"{joined(slot.status for slot in entry.slots)} (n = 0 of {len(entry.slots)})"
    planned = f" of {len(entry.slots)}" if summary.n < len(entry.slots) else ""
    state = "" if entry.sound else f"; {entry.state}"
    return f"{mean_and_sd(summary)} (n = {summary.n}{planned}{state})"


def _firing_rate(entry: Entry) -> str:
    """Return the firing rate of the whole network, or n/a for a network in which nothing spikes."""
    return fixed(entry.summary(FIRING_RATE.value).mean, 4)


def _difference(comparison: Comparison, entry: Entry) -> str:
    return "baseline" if entry is comparison.baseline else _points(comparison.differences[entry.label])


def _points(difference: Difference) -> str:
    """Return a difference in points with its simultaneous 95 % interval, where it has one."""
    mean = fixed(difference.mean, sign=True)
    ends = interval(difference)
    return f"{mean} ({ends})" if ends else mean


def _energy(priced: Priced, entry: Entry, what: str, unit: Unit) -> str:
    mean = priced.mean(entry, what, DENSE)
    return NOT_AVAILABLE if mean is None else f"{unit.of(mean)} ({_ratios(priced, entry, what)})"


def _ratios(priced: Priced, entry: Entry, what: str) -> str:
    if priced.mean(entry, what, DENSE) is None:
        return NOT_AVAILABLE
    if not priced.comparable(entry):
        return entry.state or NOT_AVAILABLE
    return f"{times(priced.ratio(entry, what, DENSE))} / {times(priced.ratio(entry, what, ZERO_SKIPPING))}"
