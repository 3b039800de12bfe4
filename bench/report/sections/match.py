"""Whether the entries are matched: initial weights and sample order, seed by seed."""

from __future__ import annotations

from collections.abc import Iterable

from bench.records.record import RunRecord
from bench.report.evidence.comparison import Comparison
from bench.report.evidence.evidence import Evidence
from bench.report.formats.document import Block, Paragraph, Table
from bench.report.formats.inline import Inline, Said, Strong, Text, join, text
from bench.report.formats.text import joined
from bench.report.sections.cells import any_done, label
from bench.report.sections.machines import machines


def section(evidence: Evidence) -> list[Block]:
    """Say whether initial weights and sample order agree between the entries, seed by seed; and what made the runs."""
    comparison = evidence.comparison
    if not any_done(comparison):
        return [Paragraph("No finished run, so nothing to verify.")]
    rows: list[list[Inline]] = [
        [str(seed), Said(weights), Said(order), join(", ", map(Said, labels))]
        for seed, done in _by_seed(comparison).items()
        for weights, order, labels in _digest_groups(done)
    ]
    return [
        Paragraph(join(" ", [_said(comparison), *_declared(comparison)])),
        Table(["seed", "initial weights", "sample order", "entries"], rows, 4),
        *machines(comparison),
    ]


def unmatched_runs(comparison: Comparison) -> list[tuple[str, int]]:
    """Return (label, seed) of the finished runs whose initial weights or sample order are not the reference's.

    The reference of a seed is the baseline, or the first entry that finished where the baseline did not.
    """
    found = []
    for seed, done in _by_seed(comparison).items():
        if done:
            _, reference = done[0]
            found += [(label, seed) for label, record in done if _matching(record) != _matching(reference)]
            if _matching(reference) is None:
                found.append((done[0][0], seed))
    return found


def _said(comparison: Comparison) -> Text:
    wrong = [text(Said(label), f" (seed {seed})") for label, seed in unmatched_runs(comparison)]
    if wrong:
        why = ": other initial weights, or another sample order, than the baseline in "
        return text("The runs are ", Strong("not matched"), why, join(", ", wrong), ".")
    return text(
        *("The runs are ", Strong("matched"), ": for each seed, all finished ones began with the same synaptic "),
        "weights and were fed the same samples in the same order. The digests agree.",
    )


def _declared(comparison: Comparison) -> list[Text]:
    found = [
        text(label(entry), " differs by declaration: ", Said(joined(entry.spec.unmatched)), ".")
        for entry in comparison.trained
        if entry.spec.unmatched
    ]
    return found + [
        text(label(entry), " is not trained: it has the weights of ", Said(entry.trained_as), ".")
        for entry in comparison.entries
        if entry.trained_as
    ]


def _by_seed(comparison: Comparison) -> dict[int, list[tuple[str, RunRecord]]]:
    """Return the finished trainings of each seed with the label of their entry, the baseline's first."""
    found: dict[int, list[tuple[str, RunRecord]]] = {seed: [] for seed in comparison.suite.spec.seeds}
    for entry in (comparison.baseline, *comparison.others):
        for slot in () if entry.trained_as else entry.slots:
            if slot.done is not None:
                found[slot.run.seed].append((entry.label, slot.done))
    return found


def _matching(record: RunRecord) -> tuple[str, str] | None:
    if record.digests is None:
        return None
    recordings = f", recordings {record.data.files}" if record.data else ""
    tested = f", tested {record.fold.test}" if record.fold else ""
    return record.digests.initial_weights, record.digests.sample_order + recordings + tested


def _digest_groups(done: Iterable[tuple[str, RunRecord]]) -> list[tuple[str, str, list[str]]]:
    groups: dict[tuple[str, str], list[str]] = {}
    for name, record in done:
        groups.setdefault(_matching(record) or ("not recorded", "not recorded"), []).append(name)
    return [(*digests, labels) for digests, labels in groups.items()]
