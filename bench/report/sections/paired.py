"""Accuracy compared: the differences that the suite decides, what they establish, and what more evidence would."""

from __future__ import annotations

from bench.report.evidence.comparison import Comparison
from bench.report.evidence.crossed import CONFIDENCE, Difference
from bench.report.evidence.decisions import Needed, detectable, judge, letters, most_seeds, needed
from bench.report.evidence.evidence import Evidence
from bench.report.formats.document import Block, Paragraph, Table
from bench.report.formats.inline import Inline, Said
from bench.report.formats.text import NOT_AVAILABLE, fixed, joined, p_value
from bench.report.sections.cells import interval, label
from bench.report.sections.folds import of_differences, of_more_seeds
from bench.suite.looks import FEWEST_SEEDS, Looks


def section(evidence: Evidence) -> list[Block]:
    """Return the rule, the table of what is compared, and what more evidence would settle; then all pairs."""
    comparison = evidence.comparison
    if not comparison.decided:
        return []
    margin = comparison.suite.spec.margin_points
    header: list[Inline] = ["comparison", "n", "difference, points ↑", "sd over seeds", "95 % interval", "p"]
    rows: list[list[Inline]] = [
        [Said(name), *_cells(found), _established(found, margin)] for name, found in comparison.questions
    ]
    return [
        Paragraph(_rule(comparison)),
        Table([*header, "established"], rows),
        *_evidence_needed(comparison),
        *_all_pairs(comparison),
    ]


def _rule(comparison: Comparison) -> str:
    margin, looks = comparison.suite.spec.margin_points, comparison.suite.looks
    return (
        f"{_of_looks(comparison, looks)}Last-epoch test accuracy. "
        f"{of_differences(comparison) if comparison.resampled else CROSSED}, and {_level(comparison)}; p is corrected "
        f"alike, so that it is below {1 - CONFIDENCE:.2g} exactly where the interval excludes 0. The suite's rule: "
        f"better or worse needs an interval that excludes 0, as accurate one inside ± {margin:g} points (two one-sided "
        f"tests), and both at least {FEWEST_SEEDS} seeds. Else nothing is established."
        f"{OF_GAINS if comparison.interactions else ''}"
    )


OF_GAINS = (
    " A difference of differences is analysed alike, from what each seed and test sample says of all of its entries, "
    "and is larger, smaller or as large by the same rule."
)


CROSSED = (
    "Seeds and test samples are both sources of chance: the intervals are of a crossed analysis of the difference at "
    "every seed and test sample (two-way random effects, each widened by its own Student quantile)"
)


def _level(comparison: Comparison) -> str:
    count, error = comparison.decided, (1 - CONFIDENCE) * comparison.share
    if error / count == 1 - CONFIDENCE:
        return "hold with 95 %"
    which = "those of all looks hold" if count == 1 else f"all {count} intervals hold"
    return f"{which} at once with 95 % (each is of {100 * (1 - error / count):.4g} %, Bonferroni)"


def _of_looks(comparison: Comparison, looks: Looks) -> str:
    """Say at how many seeds it is decided whether more are added, and what this look may spend."""
    if not looks.repeated:
        return ""
    seeds = len(comparison.suite.spec.seeds)
    return (
        f"Seeds are added until every comparison is settled, {looks.most} at most; it is looked at "
        f"{joined(map(str, looks.seeds))} seeds, and this is the look at {seeds}. Each look may spend of the chance of "
        f"5 % in proportion to the seeds that it adds, this one {100 * 0.05 * comparison.share:.3g} %, so that what "
        "follows holds for all looks at once, whenever one stops. "
    )


def _established(found: Difference, margin: float) -> str:
    verdict = judge(found, margin)
    return verdict.words_of_gains if found.of_differences else verdict.words


def _cells(found: Difference) -> list[Inline]:
    return [
        str(found.n),
        fixed(found.mean, sign=True),
        fixed(found.sd),
        interval(found) or NOT_AVAILABLE,
        p_value(found.p),
    ]


def _evidence_needed(comparison: Comparison) -> list[Block]:
    margin, looks = comparison.suite.spec.margin_points, comparison.suite.looks
    most = most_seeds(looks)
    rows: list[list[Inline]] = []
    for name, found in comparison.questions:
        if found.components is None:
            continue
        words = (
            "settled"
            if judge(found, margin).established
            else _words(needed(found, margin, looks), most, comparison.resampled)
        )
        row = [fixed(detectable(found)), fixed(detectable(found, most, looks)), words]
        rows.append([Said(name), *row])
    if not rows:
        return []
    note = (
        "The true difference that would be established with a chance of 80 %, were the variances found here the true "
        f"ones (of few seeds they are little known); the same with {most} seeds; and what would be as likely to "
        "settle the comparison, were the difference found here the true one too."
    )
    if comparison.resampled:
        note += of_more_seeds(most)
    header: list[Inline] = ["comparison", "detectable, points", f"with {most} seeds", "would settle it (80 %)"]
    return [Paragraph(note), Table(header, rows)]


def _words(found: Needed | None, most: int, each: bool) -> str:
    """Say what would settle a comparison; each: seeds have test samples of their own."""
    if found is None:
        return f"not {most} seeds, of however many test samples"
    if found.samples is None:
        return f"{found.seeds} seeds"
    more = f"{found.seeds} seeds of about {found.samples:,}{' each' if each else ''}"
    return f"not {most} seeds of these test samples; {more}"


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
    groups = letters(order, different) or dict.fromkeys(order, "too many")
    by_label = {entry.label: entry for entry in entries}
    rows: list[list[Inline]] = [
        [label(by_label[name]), groups[name], *(_between(comparison, name, other) for other in order)] for name in order
    ]
    note = (
        f"All {len(comparison.pairs)} pairs, whether asked for or not: row minus column, points. Two entries share a "
        "letter where no difference between them is established at the level of all pairs at once, which is no easier "
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
