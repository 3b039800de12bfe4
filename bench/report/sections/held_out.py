"""Accuracy on the part of training that was held out."""

from __future__ import annotations

from bench.report.evidence.evidence import Evidence
from bench.report.evidence.statistics import summarise
from bench.report.formats.document import Block, Paragraph, Table
from bench.report.formats.inline import Inline
from bench.report.sections.cells import label, mean_and_sd

NOTE = "Of the last epoch, mean ± sd over seeds. Settings are to be chosen by this, never by the test split."


def section(evidence: Evidence) -> list[Block]:
    """Return the accuracy after the last epoch; nothing where none was held out."""
    rows: list[list[Inline]] = []
    for entry in evidence.comparison.trained:
        found = [r.history[-1].validation_accuracy_fraction for r in entry.done if r.history]
        percent = [100 * fraction for fraction in found if fraction is not None]
        if percent:
            rows.append([label(entry), str(len(percent)), mean_and_sd(summarise(percent))])
    return [Paragraph(NOTE), Table(["entry", "n", "held-out accuracy, % ↑"], rows)] if rows else []
