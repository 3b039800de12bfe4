"""Firing rates and synops over seeds: how far each may lie from its mean, and from the baseline's."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from bench.records.record import RunRecord
from bench.report.evidence.comparison import Comparison
from bench.report.evidence.entry import Entry
from bench.report.evidence.quantities import EFFECTIVE_SYNOPS, FIRING_RATE
from bench.report.evidence.statistics import interval, ratio_interval
from bench.report.formats.document import Block, Paragraph, Table
from bench.report.formats.inline import Inline, text
from bench.report.formats.text import count_unit, number, ratio, times
from bench.report.sections.cells import label, with_unit
from bench.report.sections.folds import OF_INTERVALS

NOTE = (
    "What every estimate rests on, over the seeds: means with Student's 95 % interval of each by itself, from three "
    "seeds on; the ratio is that of the means, its interval that of the geometric mean of the ratios of single seeds."
)

Value = Callable[[RunRecord], float | None]


def over_seeds(comparison: Comparison) -> list[Block]:
    """Return a row for each entry with finished runs."""
    entries = [entry for entry in comparison.entries if entry.done]
    if not entries:
        return []
    rate, synops, base = FIRING_RATE, EFFECTIVE_SYNOPS, comparison.baseline
    unit = count_unit(entry.summary(synops.value).mean for entry in entries)
    rows: list[list[Inline]] = [
        [
            label(entry),
            str(len(entry.done)),
            _mean(entry, rate.value, number, comparison.overlap),
            _mean(entry, synops.value, unit.of, comparison.overlap),
            "" if entry is base else _ratio(entry, base, synops.value, comparison.overlap),
        ]
        for entry in entries
    ]
    against = text("synops, × ", label(base))
    note = NOTE + OF_INTERVALS if comparison.resampled else NOTE
    return [Paragraph(note), Table(["entry", "n", rate.directed, with_unit(synops.directed, unit), against], rows)]


def _mean(entry: Entry, value: Value, written: Callable[[float | None], str], overlap: float) -> str:
    summary = entry.summary(value)
    return written(summary.mean) + _between(interval(summary, overlap=overlap), written)


def _ratio(entry: Entry, base: Entry, value: Value, overlap: float) -> str:
    own, others = ({record.seed: value(record) for record in each.done} for each in (entry, base))
    found = ratio(entry.summary(value).mean, base.summary(value).mean)
    return times(found) + _between(ratio_interval(own, others, overlap=overlap), times)


def _between(found: Sequence[float] | None, written: Callable[[float | None], str]) -> str:
    return "" if found is None else f" ({written(found[0])} to {written(found[1])})"
