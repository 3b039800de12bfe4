"""Operations outside synapses and neurons."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from bench.report.evidence.evidence import Evidence
from bench.report.formats.document import Block, Table
from bench.report.formats.inline import Inline, Said
from bench.report.formats.text import joined
from bench.report.sections.cells import label, operations


def section(evidence: Evidence) -> list[Block]:
    """Return the operations by entry and column, per sample, as the mean over finished runs; nothing without any."""
    rows: list[list[Inline]] = []
    for entry in evidence.comparison.entries:
        columns = dict.fromkeys(ops.column for record in entry.done for ops in record.other_ops)
        for column in columns:
            found = [ops for record in entry.done for ops in record.other_ops if ops.column == column]
            names = joined(ops.name for ops in found)
            totals = _summed(ops.ops_per_sample for ops in found)
            mean = {name: count / len(entry.done) for name, count in totals.items()}
            rows.append([label(entry), column, Said(names), Said(operations(mean))])
    return [Table(["entry", "column", "where", "operations per sample"], rows, text_columns=4)] if rows else []


def _summed(parts: Iterable[Mapping[str, float]]) -> dict[str, float]:
    total: dict[str, float] = {}
    for part in parts:
        for name, count in part.items():
            total[name] = total.get(name, 0.0) + count
    return total
