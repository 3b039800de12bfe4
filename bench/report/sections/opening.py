"""What stands above the first section: the suite, how much of it has run, and on which recordings."""

from __future__ import annotations

from bench.records.source import DataSource
from bench.report.evidence.comparison import Comparison
from bench.report.evidence.evidence import Evidence
from bench.report.formats.document import Block, Paragraph
from bench.report.formats.inline import Said, Strong, Verbatim, text
from bench.report.formats.text import joined
from bench.report.sections.folds import of_samples


def opening(evidence: Evidence) -> list[Block]:
    """Return the lines under the title."""
    spec, entries = evidence.comparison.suite.spec, evidence.comparison.trained
    slots = [slot for entry in entries for slot in entry.slots]
    done = sum(slot.done is not None for slot in slots)
    said = text(
        *("Suite ", Verbatim(spec.name), f", version {spec.version}: {len(entries)} entries, seeds "),
        f"{joined(map(str, spec.seeds))}; {done} of {len(slots)} runs finished. Baseline: ",
        *(Said(spec.baseline), "."),
    )
    return [Paragraph(said), *of_samples(evidence.comparison), *_recordings(evidence.comparison)]


def _recordings(comparison: Comparison) -> list[Block]:
    """Say how many recordings an event data set had, and that a part is a part; nothing for images."""
    records = [record for entry in comparison.trained for record in entry.done]
    found = list(dict.fromkeys(_amount(record.data) for record in records if record.data))
    if not found:
        return []
    partial = any(record.data.partial for record in records if record.data)
    warning = text(Strong("A subset of the data, not comparable with results on all of it."), " ") if partial else ""
    name = Said(comparison.suite.spec.dataset.name)
    return [Paragraph(text(warning, "Recordings of ", name, f": {'; in other runs '.join(found)}."))]


def _amount(data: DataSource) -> str:
    parts = {"train": "to train", "validation": "to validate", "test": "to test"}
    counts = [f"{data.recordings[name]:,} {words}" for name, words in parts.items() if name in data.recordings]
    return f"{', '.join(counts)}, of {data.complete:,}"
