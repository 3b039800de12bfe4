"""Which operands meet in each network's contractions, and by what they are what they are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bench.records.audit import OPERANDS, audit, operands_of
from bench.records.counts import Counts
from bench.report.evidence.evidence import Evidence
from bench.report.formats.document import Block, Paragraph, Table
from bench.report.formats.inline import Inline, Said
from bench.report.formats.text import joined, percent

NOTE = (
    "What meets in the contractions, as a share of the dense MACs and, in brackets, of the operations that happen. A "
    "graded spike, summed or pooled, is an integer. A network is spike-driven where no product of two values is left."
)


def section(evidence: Evidence) -> list[Block]:
    """Return one row an entry, each share the mean over its finished runs."""
    entries = [entry for entry in evidence.comparison.entries if entry.done]
    found = {entry.label: list(entry.counts.values()) for entry in entries}
    return audited(found) if entries else []


def audited(networks: Mapping[str, Sequence[Counts]]) -> list[Block]:
    """Return the words and shares of some networks by name, each counted once or several times."""
    rows: list[list[Inline]] = []
    met = {operands_of(layer) for found in networks.values() for counts in found for layer in counts.layers}
    used = [operands for operands in OPERANDS if operands in met]
    for name, found in networks.items():
        audits = [audit(counts) for counts in found]
        cells: list[Inline] = []
        for operands in used:
            dense = [each.dense.get(operands, 0.0) for each in audits]
            effective = [each.effective.get(operands, 0.0) for each in audits]
            mean = [sum(values) / len(values) for values in (dense, effective)]
            cells.append(f"{percent(mean[0])} ({percent(mean[1])})" if any(dense) else "")
        rows.append([Said(name), joined(each.word for each in audits), *cells])
    return [Paragraph(NOTE), Table(["network", "is", *used], rows, text_columns=2)]
