"""Training, epoch by epoch."""

from __future__ import annotations

from bench.report.evidence.evidence import Evidence
from bench.report.formats.document import Block
from bench.report.sections.cells import figure


def section(evidence: Evidence) -> list[Block]:
    """Return the figure of the training curves."""
    return figure(evidence, "training_curves", "Test accuracy and training loss per epoch")
