"""Which planned runs are missing or failed."""

from __future__ import annotations

from bench.report.evidence.evidence import Evidence
from bench.report.formats.document import Block, Table
from bench.report.formats.inline import Inline, Said
from bench.report.sections.cells import label


def section(evidence: Evidence) -> list[Block]:
    """Return the table of planned runs without a result, each with its reason; nothing when there are none."""
    rows: list[list[Inline]] = [
        [label(entry), str(slot.run.seed), slot.run.key, slot.status, Said(slot.reason)]
        for entry in evidence.comparison.trained
        for slot in entry.slots
        if slot.reason is not None
    ]
    return [Table(["entry", "seed", "key", "state", "reason"], rows, text_columns=5)] if rows else []
