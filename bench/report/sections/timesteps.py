"""Accuracy when outputs are averaged over the first t timesteps only."""

from __future__ import annotations

from bench.report.evidence.comparison import Comparison, timestep_summary
from bench.report.evidence.evidence import Evidence
from bench.report.formats.document import Block, Table
from bench.report.formats.inline import Inline
from bench.report.sections.cells import figure, label, mean_and_sd


def section(evidence: Evidence) -> list[Block]:
    """Return the accuracy after each timestep as the mean over seeds, and its figure."""
    return [
        *_table(evidence.comparison),
        *figure(evidence, "accuracy_by_timestep", "Accuracy after t timesteps"),
    ]


def _table(comparison: Comparison) -> list[Block]:
    longest = max(
        (min(len(r.accuracy_by_timestep), e.spec.timesteps) for e in comparison.entries for r in e.done), default=0
    )
    if not longest:
        return []
    rows: list[list[Inline]] = []
    for entry in comparison.entries:
        cells = [mean_and_sd(timestep_summary(entry, t)) for t in range(min(longest, entry.spec.timesteps))]
        rows.append([label(entry), *cells, *[""] * (longest - len(cells))])
    return [Table(["entry, accuracy % ↑", *(f"t = {t + 1}" for t in range(longest))], rows)]
