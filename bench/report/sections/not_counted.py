"""What the counts leave out."""

from __future__ import annotations

from bench.report.evidence.evidence import Evidence
from bench.report.formats.document import Block, Table
from bench.report.formats.inline import Inline, Said
from bench.report.formats.text import joined
from bench.report.sections.cells import label


def section(evidence: Evidence) -> list[Block]:
    """Return what was not counted, by entry; nothing when that is nothing."""
    rows: list[list[Inline]] = []
    for entry in evidence.comparison.entries:
        names = joined(name for record in entry.done for name in record.not_counted)
        if names:
            rows.append([label(entry), Said(names)])
    return [Table(["entry", "not counted"], rows, text_columns=2)] if rows else []
