"""Sample by sample: McNemar's exact test of each entry against the baseline."""

from __future__ import annotations

from bench.records.correct import unpack_correct
from bench.records.record import RunRecord
from bench.report.evidence.comparison import Comparison
from bench.report.evidence.entry import Entry
from bench.report.evidence.evidence import Evidence
from bench.report.evidence.statistics import McNemar, mcnemar
from bench.report.formats.document import Block, Paragraph, Table
from bench.report.formats.inline import Inline, text
from bench.report.formats.text import p_value
from bench.report.sections.cells import label

NOTE = "McNemar's exact test within a seed: descriptive, it knows nothing of the spread between seeds."


def section(evidence: Evidence) -> list[Block]:
    """Return a row per entry and seed that it and the baseline finished; nothing where there is none."""
    comparison = evidence.comparison
    rows: list[list[Inline]] = [
        [label(entry), str(seed), str(found.only_baseline), str(found.only_entry), p_value(found.p)]
        for entry in comparison.others
        for seed, found in _by_seed(comparison, entry).items()
    ]
    only_baseline = text("only ", label(comparison.baseline), " right")
    header: list[Inline] = ["entry", "seed", only_baseline, "only the entry right", "p (exact)"]
    return [Paragraph(NOTE), Table(header, rows)] if rows else []


def _tested(record: RunRecord) -> str | None:
    return record.fold.test if record.fold else None


def _by_seed(comparison: Comparison, entry: Entry) -> dict[int, McNemar]:
    """Return McNemar's test for each seed whose two runs were tested on the same samples, as far as records say."""
    found = {}
    for base, other in zip(comparison.baseline.slots, entry.slots, strict=True):
        one, two = base.done, other.done
        if one is None or two is None or one.correct is None or two.correct is None:
            continue
        if one.test_samples is None or one.test_samples != two.test_samples or _tested(one) != _tested(two):
            continue
        found[other.run.seed] = mcnemar(
            unpack_correct(one.correct, one.test_samples), unpack_correct(two.correct, one.test_samples)
        )
    return found
