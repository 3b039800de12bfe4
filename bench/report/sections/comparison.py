"""The comparison: the main table, what its columns mean, and its figure."""

from __future__ import annotations

from bench.report.evidence.evidence import Evidence
from bench.report.formats.document import Block, Paragraph
from bench.report.formats.inline import text
from bench.report.sections.cells import figure, label
from bench.report.sections.folds import OF_MEANS
from bench.report.sections.main_table import full_table
from bench.report.sections.soundness import legend_of_states


def section(evidence: Evidence) -> list[Block]:
    """Return every column of the main table with its legend."""
    legend = text(
        "↑ higher is better, ↓ lower is better. Accuracy is of the last epoch on the test split, mean ± sd (n - 1) "
        "over n seeds; the best epoch is chosen on the test split and flatters. Counts and energy are per test sample, "
        "summed over all timesteps. Energy is the dense figure; the ratios to ",
        label(evidence.comparison.baseline),
        " are dense to dense, then zero-skipping to zero-skipping.",
    )
    of_folds = [Paragraph(OF_MEANS)] if evidence.comparison.resampled else []
    drawn = figure(evidence, "accuracy_energy", "Test accuracy against estimated energy per sample")
    return [full_table(evidence), Paragraph(legend), *of_folds, *legend_of_states(evidence.comparison), *drawn]
