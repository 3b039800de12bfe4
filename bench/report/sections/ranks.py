"""Entries ranked over several suites, as tables."""

from __future__ import annotations

from bench.report.evidence.ranks import Ranks
from bench.report.formats.document import Block, Paragraph, Table
from bench.report.formats.inline import Inline, Said, text
from bench.report.formats.text import fixed, p_value


def ranked(ranks: Ranks) -> list[Block]:
    """Return the average ranks, what they establish, and all pairs."""
    average, place = ranks.average, ranks.by_suite
    order = sorted(ranks.entries, key=lambda label: average[label])
    at = {label: index for index, label in enumerate(ranks.entries)}
    rows: list[list[Inline]] = [
        [
            Said(label),
            fixed(average[label]),
            *(
                f"{own[at[label]]:g} ({fixed(percent[at[label]])})"
                for own, percent in zip(place, ranks.accuracies, strict=True)
            ),
        ]
        for label in order
    ]
    pairs: list[list[Inline]] = [
        [
            text(Said(pair.one), " - ", Said(pair.other)),
            fixed(pair.mean_difference, sign=True),
            f"{pair.wins} / {pair.ties} / {pair.losses}",
            p_value(pair.p),
        ]
        for pair in ranks.pairs
    ]
    return [
        Table(["entry", "average rank", *(text(Said(name), ", rank (accuracy, %)") for name in ranks.suites)], rows),
        Paragraph(_established(ranks)),
        *(
            [Paragraph(text("Not all has finished: ", Said("; ".join(ranks.unfinished)), "."))]
            if ranks.unfinished
            else []
        ),
        Table(["pair", "mean difference, points", "better / equal / worse", "p (Wilcoxon, Holm)"], pairs),
    ]


def _established(ranks: Ranks) -> str:
    suites, p = len(ranks.suites), ranks.friedman_p
    said = "" if p is None else f"Friedman's test that all are equal: p {_equals(p)} (Iman and Davenport's form). "
    return (
        f"{said}Average ranks further apart than {fixed(ranks.critical_difference)} differ with 95 % (Nemenyi). With "
        f"{suites} suites no pair can have a p below {ranks.least_p:.3g} before correction. A suite is one observation "
        "here, whatever its seeds; suites that share a data set are not independent of each other (Demsar 2006)."
    )


def _equals(p: float) -> str:
    written = p_value(p)
    return written if written.startswith("<") else f"= {written}"
