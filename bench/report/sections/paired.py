"""Accuracy compared: the differences that the suite decides, what they establish, and what more evidence would."""

from __future__ import annotations

from bench.report.evidence.comparison import Comparison
from bench.report.evidence.crossed import CONFIDENCE, FEWEST_SEEDS, Difference
from bench.report.evidence.decisions import MOST_SEEDS, Needed, detectable, judge, letters, needed
from bench.report.evidence.evidence import Evidence
from bench.report.formats.document import Block, Paragraph, Table
from bench.report.formats.inline import Inline, Said, text
from bench.report.formats.text import NOT_AVAILABLE, fixed, p_value
from bench.report.sections.cells import label


def section(evidence: Evidence) -> list[Block]:
    """Return the rule, the table of what is compared, and what more evidence would settle; then all pairs."""
    comparison = evidence.comparison
    if not comparison.contrasts:
        return []
    margin = comparison.suite.spec.margin_points
    header: list[Inline] = ["comparison", "n", "difference, points ↑", "sd over seeds", "95 % interval", "p"]
    rows = [[_name(pair), *_cells(found), judge(found, margin).words] for pair, found in comparison.contrasts.items()]
    return [
        Paragraph(_rule(comparison)),
        Table([*header, "established"], rows),
        *_evidence_needed(comparison),
        *_all_pairs(comparison),
    ]


def _rule(comparison: Comparison) -> str:
    count, margin = len(comparison.contrasts), comparison.suite.spec.margin_points
    several = f"all {count} intervals hold at once with 95 % (each is of {100 * (1 - 0.05 / count):.4g} %, Bonferroni)"
    return (
        "Last-epoch test accuracy. Seeds and test samples are both sources of chance: the intervals are of a crossed "
        "analysis of the difference at every seed and test sample (two-way random effects, each widened by its own "
        f"Student quantile), and {several if count > 1 else 'hold with 95 %'}; p is corrected alike, so that it "
        f"is below {1 - CONFIDENCE:.2g} exactly where the interval excludes 0. Said in advance: better or worse needs "
        f"an interval that excludes 0, as accurate one inside ± {margin:g} points (two one-sided tests), and both at "
        f"least {FEWEST_SEEDS} seeds. Else nothing is established."
    )


def _name(pair: tuple[str, str]) -> Inline:
    one, other = pair
    return text(Said(one), " - ", Said(other))


def _cells(found: Difference) -> list[Inline]:
    interval = f"{fixed(found.low, sign=True)} to {fixed(found.high, sign=True)}"
    return [
        str(found.n),
        fixed(found.mean, sign=True),
        fixed(found.sd),
        NOT_AVAILABLE if found.low is None else interval,
        p_value(found.p),
    ]


def _evidence_needed(comparison: Comparison) -> list[Block]:
    margin = comparison.suite.spec.margin_points
    rows: list[list[Inline]] = []
    for pair, found in comparison.contrasts.items():
        if found.components is None:
            continue
        words = "settled" if judge(found, margin).established else _words(needed(found, margin))
        row = [fixed(detectable(found)), fixed(detectable(found, MOST_SEEDS)), words]
        rows.append([_name(pair), *row])
    if not rows:
        return []
    note = (
        "The smallest difference that would have been established with a chance of 80 %, by the variances found here; "
        f"the same with {MOST_SEEDS} seeds, where what is left lies in the test samples; and what would settle the "
        "comparison if the difference stayed as it is."
    )
    header: list[Inline] = ["comparison", "detectable, points", f"with {MOST_SEEDS} seeds", "would settle it"]
    return [Paragraph(note), Table(header, rows)]


def _words(found: Needed | None) -> str:
    if found is None:
        return "no number of seeds or test samples"
    if found.samples is None:
        return f"{found.seeds} seeds"
    return f"no number of seeds; {found.seeds} seeds of about {found.samples:,} test samples"


def _all_pairs(comparison: Comparison) -> list[Block]:
    if len(comparison.pairs) < 2:
        return []
    entries = [entry for entry in comparison.entries if entry.correct]
    margin = comparison.suite.spec.margin_points
    different = {
        frozenset(pair) for pair, found in comparison.pairs.items() if judge(found, margin).direction is not None
    }
    mean = {entry.label: entry.mean_accuracy for entry in entries}
    order = sorted(mean, key=lambda name: -mean[name])
    groups = letters(order, different)
    by_label = {entry.label: entry for entry in entries}
    rows: list[list[Inline]] = [
        [label(by_label[name]), groups[name], *(_between(comparison, name, other) for other in order)] for name in order
    ]
    note = (
        f"All {len(comparison.pairs)} pairs, whether asked for or not: row minus column, points. Two entries share a "
        "letter where no difference between them is established at the level of all pairs at once, which is stricter "
        "than that of the comparisons above."
    )
    return [Paragraph(note), Table(["entry", "group", *map(Said, order)], rows)]


def _between(comparison: Comparison, one: str, other: str) -> str:
    if one == other:
        return ""
    found = comparison.pairs.get((one, other))
    if found is not None:
        return fixed(found.mean, sign=True)
    mean = comparison.pairs[other, one].mean
    return fixed(None if mean is None else -mean, sign=True)
