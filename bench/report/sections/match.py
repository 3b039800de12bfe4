"""Whether the entries are matched: initial weights and sample order, seed by seed."""

from __future__ import annotations

from collections.abc import Iterable

from bench.records.record import RunRecord
from bench.report.evidence.comparison import Comparison
from bench.report.formats.text import escape, joined, table


def unmatched_runs(comparison: Comparison) -> list[tuple[str, int]]:
    """Return (label, seed) of the finished runs whose initial weights or sample order are not the reference's.

    The reference of a seed is the baseline, or the first entry that finished where the baseline did not.
    """
    found = []
    for seed in comparison.suite.spec.seeds:
        done = list(_done(comparison, seed))
        if done:
            _, reference = done[0]
            found += [(label, seed) for label, record in done if _matching(record) != _matching(reference)]
            if _matching(reference) is None:
                found.append((done[0][0], seed))
    return found


def matched(comparison: Comparison) -> str:
    """Say whether initial weights and sample order agree between the entries, seed by seed, with the digests."""
    if not any(entry.done for entry in comparison.entries):
        return "No finished run, so nothing to verify."
    wrong = unmatched_runs(comparison)
    declared = [entry for entry in comparison.trained if entry.spec.unmatched]
    words = [
        "The runs are **not matched**: other initial weights, or another sample order, than the baseline in "
        + ", ".join(f"{escape(label)} (seed {seed})" for label, seed in wrong)
        + "."
        if wrong
        else "The runs are **matched**: for each seed, all finished ones began with the same synaptic weights and were "
        "fed the same samples in the same order. The digests agree."
    ]
    words += [
        f"{escape(entry.label)} differs by declaration: {escape(joined(entry.spec.unmatched))}." for entry in declared
    ]
    words += [
        f"{escape(entry.label)} is not trained: it has the weights of {escape(entry.trained_as)}."
        for entry in comparison.entries
        if entry.trained_as
    ]
    rows = []
    for seed in comparison.suite.spec.seeds:
        for weights, order, labels in _digest_groups(comparison, seed):
            rows.append([str(seed), escape(weights), escape(order), ", ".join(map(escape, labels))])
    return " ".join(words) + "\n\n" + table(["seed", "initial weights", "sample order", "entries"], rows, 4)


def _done(comparison: Comparison, seed: int) -> Iterable[tuple[str, RunRecord]]:
    for entry in (comparison.baseline, *comparison.others):
        for slot in () if entry.trained_as else entry.slots:
            if slot.run.seed == seed and slot.done is not None:
                yield entry.label, slot.done


def _matching(record: RunRecord) -> tuple[str, str] | None:
    if record.digests is None:
        return None
    recordings = f", recordings {record.data.files}" if record.data else ""
    return record.digests.initial_weights, record.digests.sample_order + recordings


def _digest_groups(comparison: Comparison, seed: int) -> list[tuple[str, str, list[str]]]:
    groups: dict[tuple[str, str], list[str]] = {}
    for label, record in _done(comparison, seed):
        groups.setdefault(_matching(record) or ("not recorded", "not recorded"), []).append(label)
    return [(*digests, labels) for digests, labels in groups.items()]
