"""Where the numbers come from: recordings, provenance, unfinished runs."""

from __future__ import annotations

from collections.abc import Iterable

from bench.records.record import DataSource
from bench.report.evidence.comparison import Comparison, Slot
from bench.report.formats.text import escape, table
from bench.report.sections.settings import flat, in_words


def unfinished(comparison: Comparison) -> str:
    """Return the table of planned runs that are missing or failed, each with its reason; empty when there are none."""
    rows = [
        [escape(entry.label), str(slot.run.seed), slot.run.key, slot.status, escape(slot.reason)]
        for entry in comparison.trained
        for slot in entry.slots
        if slot.reason is not None
    ]
    return table(["entry", "seed", "key", "state", "reason"], rows, text_columns=5) if rows else ""


def recordings(comparison: Comparison) -> str:
    """Say how many recordings an event data set had, and that a part is a part; empty for images."""
    records = [record for entry in comparison.trained for record in entry.done]
    found = list(dict.fromkeys(_amount(record.data) for record in records if record.data))
    if not found:
        return ""
    partial = any(record.data.partial for record in records if record.data)
    name = escape(comparison.suite.spec.dataset.name)
    words = f"Recordings of {name}: {'; in other runs '.join(found)}."
    return f"**A subset of the data, not comparable with results on all of it.** {words}" if partial else words


def _amount(data: DataSource) -> str:
    parts = {"train": "to train", "validation": "to validate", "test": "to test"}
    counts = [f"{data.recordings[name]:,} {words}" for name, words in parts.items() if name in data.recordings]
    return f"{', '.join(counts)}, of {data.complete:,}"


def provenance(comparison: Comparison) -> str:
    """Return the distinct commits, devices, versions and code digests, and which runs had which where they differ."""
    done = [(slot, slot.done) for entry in comparison.trained for slot in entry.slots if slot.done is not None]
    if not done:
        return "No finished run."
    found: dict[str, dict[str, list[Slot]]] = {}
    for slot, record in done:
        code = {"code digest": record.digests.code} if record.digests else {}
        for key, words in sorted((key, in_words(value)) for key, value in flat(record.provenance | code)):
            found.setdefault(key, {}).setdefault(words, []).append(slot)
    first = [key for key in ("commit", "device", "code digest") if key in found]
    rows = [
        [escape(key), escape(value), "all finished" if len(slots) == len(done) else _named(slots)]
        for key in [*first, *sorted(set(found) - set(first))]
        for value, slots in found[key].items()
    ]
    return table(["what", "value", "runs"], rows, 3)


def _named(slots: Iterable[Slot]) -> str:
    seeds: dict[str, list[str]] = {}
    for slot in slots:
        seeds.setdefault(slot.run.label, []).append(str(slot.run.seed))
    return "; ".join(f"{escape(label)} (seed {', '.join(numbers)})" for label, numbers in seeds.items())
