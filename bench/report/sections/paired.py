"""Accuracy against the baseline: differences paired by seed, and what they establish."""

from __future__ import annotations

from bench.report.evidence.comparison import Comparison
from bench.report.evidence.evidence import Evidence
from bench.report.evidence.statistics import PairedDifference, half_width_in_sd, judge
from bench.report.formats.document import Block, Paragraph, Table
from bench.report.formats.inline import Inline, text
from bench.report.formats.text import NOT_AVAILABLE, fixed, p_value
from bench.report.sections.cells import label


def section(evidence: Evidence) -> list[Block]:
    """Return the table of paired differences with intervals, p values and what they establish."""
    comparison = evidence.comparison
    if not comparison.others:
        return []
    margin = comparison.suite.spec.margin_points
    rows = [[label(e), *_cells(comparison.differences[e.label], margin)] for e in comparison.others]
    difference = text("difference to ", label(comparison.baseline), ", points ↑")
    header: list[Inline] = ["entry", "n", difference, "sd", "95 % interval", "p", "p (Holm)", "established"]
    note = (
        "Last-epoch test accuracy, paired by seed: Student's paired t test, p values corrected by Holm's rule for the "
        f"number of entries. Each interval is for one comparison; the intervals are not simultaneous. "
        "Better or worse needs at least three seeds, an sd above 0 and an interval that excludes 0; as accurate needs "
        f"the interval inside ± {margin:g} points."
    )
    return [Paragraph(note + _width_note(comparison)), Table(header, rows)]


def _cells(difference: PairedDifference, margin_points: float) -> list[Inline]:
    low, high = fixed(difference.low, sign=True), fixed(difference.high, sign=True)
    return [
        str(difference.n),
        fixed(difference.mean, sign=True),
        fixed(difference.sd),
        NOT_AVAILABLE if difference.low is None else f"{low} to {high}",
        p_value(difference.p),
        p_value(difference.p_holm),
        _established(difference, margin_points),
    ]


def _established(difference: PairedDifference, margin_points: float) -> str:
    found = judge(difference, margin_points)
    words = [found.direction] if found.direction else []
    words += ["as accurate"] if found.as_accurate else []
    return ", but ".join(words) if words else f"not established at n = {difference.n}"


def _width_note(comparison: Comparison) -> str:
    sizes = sorted({difference.n for difference in comparison.differences.values() if difference.low is not None})
    return "".join(
        f" At n = {n} the half-width of an interval is {half_width_in_sd(n):.1f} sd of the differences." for n in sizes
    )
