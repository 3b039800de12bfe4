"""The comparison on one table: as markdown, narrow markdown, CSV with full precision, and LaTeX."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
from tabulate import tabulate

from bench.report.evidence.comparison import Comparison, Entry
from bench.report.evidence.pricing import DENSE, ZERO_SKIPPING, Priced
from bench.report.evidence.quantities import ACCURACY, BEST_ACCURACY, DENSE_MACS, EFFECTIVE_SYNOPS, FIRING_RATE
from bench.report.evidence.statistics import Summary
from bench.report.formats.text import (
    NOT_AVAILABLE,
    Unit,
    count_unit,
    energy_unit,
    escape,
    escape_latex,
    fixed,
    joined,
    number,
    table,
    times,
)
from bench.report.sections.accuracy import difference_cell, mean_and_sd

Rows = tuple[list[str], list[list[str]]]


def markdown(comparison: Comparison, priced: Sequence[Priced], compact: bool = False) -> str:
    """Return the main table in markdown: every column, or the eight that fit a page."""
    header, rows = _compact(comparison, priced[0]) if compact else _full(comparison, priced)
    return table([escape(name) for name in header], [[escape(row[0]), *row[1:]] for row in rows])


def latex(comparison: Comparison, priced: Sequence[Priced]) -> str:
    """Return the narrow main table as a LaTeX tabular with the rules of booktabs."""
    header, rows = _compact(comparison, priced[0])
    body = tabulate(
        [[escape_latex(cell) for cell in row] for row in rows],
        [escape_latex(name) for name in header],
        tablefmt="latex_raw",
        disable_numparse=True,
        colalign=["left"] + ["right"] * (len(header) - 1),
    )
    rules = iter((r"\toprule", r"\midrule", r"\bottomrule"))
    return "\n".join(next(rules) if line.strip() == r"\hline" else line for line in body.splitlines())


def csv(comparison: Comparison, priced: Sequence[Priced]) -> str:
    """Return the main table as CSV: a row per entry, full precision, mean and sd apart, empty where not measured."""
    return pd.DataFrame([_csv_row(comparison, priced, entry) for entry in comparison.entries]).to_csv(
        index=False, lineterminator="\n"
    )


def _full(comparison: Comparison, priced: Sequence[Priced]) -> Rows:
    dense, synops = _count_units(comparison)
    base = comparison.suite.spec.baseline
    header = [
        *("entry", "T", "parameters", "accuracy, % ↑", "best epoch, % ↑", f"Δ to {base}, points (95 % interval) ↑"),
        *("firing rate ↓", _with("dense MACs per sample", dense), _with("effective synops per sample ↓", synops)),
    ]
    units = [(each, energy_unit(each.means(comparison.entries))) for each in priced]
    for each, unit in units:
        header += [f"{each.name} {what}, {unit.name} ↓ (dense / zero-skipping)" for what in ("total", "synapses only")]
    rows = []
    for entry in comparison.entries:
        cells = [
            entry.label,
            str(entry.spec.timesteps),
            joined(number(record.parameters) for record in entry.done) or NOT_AVAILABLE,
            accuracy_cell(entry),
            mean_and_sd(best_accuracy(entry)),
            _difference(comparison, entry),
            rate_cell(entry),
            dense.of(dense_macs(entry).mean),
            synops.of(effective_synops(entry).mean),
        ]
        cells += [_energy_cell(each, entry, what, unit) for each, unit in units for what in ("total", "synapse")]
        rows.append(cells)
    return header, rows


def _compact(comparison: Comparison, priced: Priced) -> Rows:
    _, synops = _count_units(comparison)
    unit = energy_unit(priced.mean(entry, "total", DENSE) for entry in comparison.entries)
    base = comparison.suite.spec.baseline
    header = [
        *("entry", "T", "accuracy, % ↑", f"Δ to {base}, points (95 % interval) ↑", "firing rate ↓"),
        *(_with("synops per sample ↓", synops), f"energy, {unit.name} ↓ ({priced.name})"),
        f"× {base}: dense / zero-skipping ↓",
    ]
    rows = [
        [
            entry.label,
            str(entry.spec.timesteps),
            accuracy_cell(entry),
            _difference(comparison, entry),
            rate_cell(entry),
            synops.of(effective_synops(entry).mean),
            unit.of(priced.mean(entry, "total", DENSE)),
            _ratios(priced, entry, "total"),
        ]
        for entry in comparison.entries
    ]
    return header, rows


def _csv_row(comparison: Comparison, priced: Sequence[Priced], entry: Entry) -> dict[str, object]:
    accuracy, best, rate = entry_accuracy(entry), best_accuracy(entry), firing_rate(entry)
    difference = comparison.differences.get(entry.label)
    row: dict[str, object] = {
        "entry": entry.label,
        "timesteps": entry.spec.timesteps,
        "runs_planned": len(entry.slots),
        "runs_done": len(entry.done),
        "parameters": joined(str(record.parameters) for record in entry.done),
        "accuracy_percent_mean": accuracy.mean,
        "accuracy_percent_sd": accuracy.sd,
        "best_epoch_accuracy_percent_mean": best.mean,
        "best_epoch_accuracy_percent_sd": best.sd,
        "difference_points": difference.mean if difference else None,
        "difference_points_low": difference.low if difference else None,
        "difference_points_high": difference.high if difference else None,
        "firing_rate": rate.mean,
        "dense_macs_per_sample": dense_macs(entry).mean,
        "effective_synops_per_sample": effective_synops(entry).mean,
    }
    for each in priced:
        for what in ("total", "synapse"):
            for mode in (DENSE, ZERO_SKIPPING):
                row[f"{each.name}_{what}_{mode}_pj_per_sample"] = each.mean(entry, what, mode)
                row[f"{each.name}_{what}_{mode}_ratio"] = each.ratio(entry, what, mode)
    return row


def accuracy_cell(entry: Entry) -> str:
    """Return mean ± sd with n, and how many runs were planned where fewer finished; or what became of them."""
    summary = entry_accuracy(entry)
    if not summary.n:
        return f"{joined(slot.status for slot in entry.slots)} (n = 0 of {len(entry.slots)})"
    planned = f" of {len(entry.slots)}" if summary.n < len(entry.slots) else ""
    return f"{mean_and_sd(summary)} (n = {summary.n}{planned})"


def rate_cell(entry: Entry) -> str:
    """Return the firing rate of the whole network, or n/a for a network in which nothing spikes."""
    return fixed(firing_rate(entry).mean, 4)


def entry_accuracy(entry: Entry) -> Summary:
    """Summarise last-epoch test accuracy in percent."""
    return entry.summary(ACCURACY.value)


def best_accuracy(entry: Entry) -> Summary:
    """Summarise the accuracy of the best test epoch in percent."""
    return entry.summary(BEST_ACCURACY.value)


def firing_rate(entry: Entry) -> Summary:
    """Summarise spikes per spiking neuron per timestep."""
    return entry.summary(FIRING_RATE.value)


def dense_macs(entry: Entry) -> Summary:
    """Summarise dense MACs per sample."""
    return entry.summary(DENSE_MACS.value)


def effective_synops(entry: Entry) -> Summary:
    """Summarise effective synaptic operations per sample."""
    return entry.summary(EFFECTIVE_SYNOPS.value)


def _count_units(comparison: Comparison) -> tuple[Unit, Unit]:
    return (
        count_unit(dense_macs(entry).mean for entry in comparison.entries),
        count_unit(effective_synops(entry).mean for entry in comparison.entries),
    )


def _with(name: str, unit: Unit) -> str:
    return f"{name}, {unit.name}" if unit.name else name


def _difference(comparison: Comparison, entry: Entry) -> str:
    if entry is comparison.baseline:
        return "baseline"
    return difference_cell(comparison.differences[entry.label])


def _energy_cell(priced: Priced, entry: Entry, what: str, unit: Unit) -> str:
    mean = priced.mean(entry, what, DENSE)
    return NOT_AVAILABLE if mean is None else f"{unit.of(mean)} ({_ratios(priced, entry, what)})"


def _ratios(priced: Priced, entry: Entry, what: str) -> str:
    if priced.mean(entry, what, DENSE) is None:
        return NOT_AVAILABLE
    return f"{times(priced.ratio(entry, what, DENSE))} / {times(priced.ratio(entry, what, ZERO_SKIPPING))}"
