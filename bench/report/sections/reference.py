"""The energy of entries that spike against the cheapest network without spikes, where that is not the baseline."""

from __future__ import annotations

from bench.report.evidence.entry import Entry
from bench.report.evidence.evidence import Evidence
from bench.report.evidence.pricing import DENSE, ZERO_SKIPPING, Priced
from bench.report.formats.document import Block, Paragraph, Table
from bench.report.formats.inline import Inline, Said, text
from bench.report.formats.text import NOT_AVAILABLE, fixed, times
from bench.report.sections.cells import interval, label

NOTE = (
    "A network without spikes need not compute every frame of a recording. So the reference of an entry that spikes is "
    "the one without spikes that takes least under the first table and is not established as less accurate, at the "
    "level of all pairs. How it compares in accuracy, and the entry's total energy as its multiple, dense / "
    "zero-skipping, with intervals as above:"
)


def reference(evidence: Evidence) -> list[Block]:
    """Return a row for each entry that spikes; nothing where the baseline is the reference of all."""
    entries = [entry for entry in evidence.comparison.entries if entry.spikes]
    references = {entry.label: evidence.reference(entry) for entry in entries}
    if all(found is evidence.comparison.baseline for found in references.values()):
        return []
    points = "reference - entry, points (95 % interval) ↑"
    header: list[Inline] = ["entry", "reference", points, *(text(Said(priced.name)) for priced in evidence.prices)]
    rows: list[list[Inline]] = []
    for entry in entries:
        against = [priced.against(references[entry.label]) for priced in evidence.prices]
        cells = [" / ".join(_ratio(evidence, each, entry, mode) for mode in (DENSE, ZERO_SKIPPING)) for each in against]
        found = evidence.comparison.between(references[entry.label], entry)
        apart = f"{fixed(found.mean, sign=True)} ({interval(found) or NOT_AVAILABLE})"
        rows.append([label(entry), label(references[entry.label]), apart, *cells])
    return [Paragraph(NOTE), Table(header, rows, text_columns=2)]


def _ratio(evidence: Evidence, priced: Priced, entry: Entry, mode: str) -> str:
    found = evidence.energy_interval(priced, entry, mode)
    between = "" if found is None else f" ({times(found[0])} to {times(found[1])})"
    return f"{times(priced.ratio(entry, 'total', mode))}{between}"
