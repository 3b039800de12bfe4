"""Where the numbers come from: commits, devices, versions, code digests."""

from __future__ import annotations

from collections.abc import Iterable

from bench.report.evidence.entry import Slot
from bench.report.evidence.evidence import Evidence
from bench.report.formats.document import Block, Paragraph, Table
from bench.report.formats.inline import Inline, Said, join, text
from bench.report.sections.cells import flat, in_words


def section(evidence: Evidence) -> list[Block]:
    """Return the distinct values of what made the runs, and which runs had which where they differ."""
    trained = evidence.comparison.trained
    done = [(slot, slot.done) for entry in trained for slot in entry.slots if slot.done is not None]
    if not done:
        return [Paragraph("No finished run.")]
    found: dict[str, dict[str, list[Slot]]] = {}
    for slot, record in done:
        code = {"code digest": record.digests.code} if record.digests else {}
        for key, words in sorted((key, in_words(value)) for key, value in flat(record.provenance | code)):
            found.setdefault(key, {}).setdefault(words, []).append(slot)
    first = [key for key in ("commit", "device", "code digest") if key in found]
    rows: list[list[Inline]] = [
        [Said(key), Said(value), "all finished" if len(slots) == len(done) else _named(slots)]
        for key in [*first, *sorted(set(found) - set(first))]
        for value, slots in found[key].items()
    ]
    return [Table(["what", "value", "runs"], rows, 3)]


def _named(slots: Iterable[Slot]) -> Inline:
    seeds: dict[str, list[str]] = {}
    for slot in slots:
        seeds.setdefault(slot.run.label, []).append(str(slot.run.seed))
    return join("; ", (text(Said(label), f" (seed {', '.join(numbers)})") for label, numbers in seeds.items()))
