"""The numbers of the main table at full precision, a row per entry."""

from __future__ import annotations

from bench.report.evidence.entry import Entry
from bench.report.evidence.evidence import Evidence
from bench.report.evidence.pricing import DENSE, ZERO_SKIPPING, Priced
from bench.report.evidence.quantities import (
    ACCURACY,
    BEST_ACCURACY,
    DENSE_MACS,
    EFFECTIVE_SYNOPS,
    FIRING_RATE,
    PARAMETERS,
)
from bench.report.formats.text import joined

Row = dict[str, str | float | None]


def values(evidence: Evidence) -> list[Row]:
    """Return mean and sd apart, None where not measured."""
    return [_row(evidence, entry) for entry in evidence.comparison.entries]


def _row(evidence: Evidence, entry: Entry) -> Row:
    row: Row = {
        "entry": entry.label,
        "timesteps": entry.spec.timesteps,
        "runs_planned": len(entry.slots),
        "runs_done": len(entry.done),
        "state": entry.state,
        PARAMETERS.name: joined(str(record.parameters) for record in entry.done),
    }
    for quantity in (ACCURACY, BEST_ACCURACY):
        summary = entry.summary(quantity.value)
        row |= {f"{quantity.name}_mean": summary.mean, f"{quantity.name}_sd": summary.sd}
    difference = evidence.comparison.differences.get(entry.label)
    row |= {
        "difference_points": difference.mean if difference else None,
        "difference_points_low": difference.low if difference else None,
        "difference_points_high": difference.high if difference else None,
    }
    row |= {each.name: entry.summary(each.value).mean for each in (FIRING_RATE, DENSE_MACS, EFFECTIVE_SYNOPS)}
    for priced in evidence.prices:
        row |= _energy(evidence, priced, entry)
    return row


def _energy(evidence: Evidence, priced: Priced, entry: Entry) -> Row:
    row: Row = {}
    for what in ("total", "synapse"):
        for mode in (DENSE, ZERO_SKIPPING):
            row[f"{priced.name}_{what}_{mode}_pj_per_sample"] = priced.mean(entry, what, mode)
            row[f"{priced.name}_{what}_{mode}_ratio"] = priced.ratio(entry, what, mode)
    for mode in (DENSE, ZERO_SKIPPING):
        found = None if entry is priced.baseline else evidence.energy_interval(priced, entry, mode)
        for end, value in zip(("low", "high"), found or (None, None), strict=True):
            row[f"{priced.name}_total_{mode}_ratio_{end}"] = value
    return row
