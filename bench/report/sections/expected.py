"""Expected values: what somebody published for an entry, whether it is reproduced, and what was done otherwise."""

from __future__ import annotations

from bench.report.evidence.comparison import Comparison
from bench.report.evidence.crossed import CONFIDENCE
from bench.report.evidence.evidence import Evidence
from bench.report.evidence.expected import Expected, expected_values
from bench.report.formats.document import Block, Bullets, Paragraph, Table
from bench.report.formats.inline import Inline, Said, Strong, Text, text
from bench.report.formats.text import NOT_AVAILABLE, fixed
from bench.report.sections.cells import label, mean_and_sd
from bench.report.sections.folds import OF_ONE_NETWORK
from bench.suite.looks import FEWEST_SEEDS

EPOCH = {"last": "last epoch", "best": "best test epoch"}

HEADER: tuple[Inline, ...] = (
    "entry",
    "of",
    "published, %",
    "ours, % ↑",
    "n",
    "difference, points",
    "95 % interval of our mean, %",
    "verdict",
)


def section(evidence: Evidence) -> list[Block]:
    """Return the rule, a row and a sentence per entry, and the declared deviations; nothing where none is expected."""
    found = expected_values(evidence.comparison)
    if not found:
        return []
    return [
        Paragraph(_rule(found, evidence.comparison.resampled)),
        Table(HEADER, [_row(each) for each in found], 2),
        Bullets([_sentence(each, evidence.comparison.resampled) for each in found]),
        *_deviations(evidence.comparison),
    ]


CROSSED = (
    "Seeds and test samples are both sources of chance: the interval is of a crossed analysis of what every seed got "
    "right (two-way random effects, each widened by its own Student quantile)"
)


def _rule(found: list[Expected], by_fold: bool) -> str:
    words = (
        "Said in advance: reproduced needs the whole interval of our mean within the published accuracy ± its "
        "tolerance, not reproduced the whole interval outside of it, and both at least "
        f"{FEWEST_SEEDS} seeds; else nothing is decided at this n. "
        f"{OF_ONE_NETWORK if by_fold else CROSSED}, and {_level(found)}. "
    )
    if any(each.spec.of == "best" for each in found):
        words += (
            "Of the best test epoch no bits are kept: its interval is the widest that its accuracies allow. It is "
            "chosen on the test split, and so too high for whoever reports it. "
        )
    return words + (
        "A published number has an error of its own, of its seeds and of its test samples. Where no interval was "
        "published with it, that error is unknown and in no interval here: reproduced says that ours is the same "
        "within the tolerance, not that the number is right, and not reproduced may be the chance of theirs. On the "
        "same test split the chance of the samples is common to both, and our interval wider than it need be."
    )


def _level(found: list[Expected]) -> str:
    each = f"{100 * (1 - found[0].error):.4g} %"
    if len(found) > 1:
        return f"all {len(found)} hold at once with 95 % (each is of {each}, Bonferroni)"
    corrected = found[0].error < 1 - CONFIDENCE
    return f"those of all looks hold at once with 95 % (each is of {each})" if corrected else "holds with 95 %"


def _row(found: Expected) -> list[Inline]:
    return [
        label(found.entry),
        EPOCH[found.spec.of],
        f"{found.spec.accuracy:.10g} ± {found.spec.tolerance:.10g}",
        mean_and_sd(found.ours),
        str(found.ours.n),
        fixed(found.difference, sign=True),
        NOT_AVAILABLE if found.interval is None else _ends(found.interval),
        _verdict(found),
    ]


def _verdict(found: Expected) -> str:
    return found.verdict if found.verdict != "not decidable" else f"not decidable at n = {found.ours.n}"


def _ends(ends: tuple[float, float]) -> str:
    return f"{fixed(ends[0])} to {fixed(ends[1])}"


def _sentence(found: Expected, by_fold: bool) -> Text:
    state = found.entry.state
    seen: Inline = f" Its runs: {state}." if state else ""
    name = Strong(label(found.entry))
    return text(
        name, f" is {_verdict(found)}: {_why(found, by_fold)}.", seen, " Published: ", Said(found.spec.source), "."
    )


def _why(found: Expected, by_fold: bool) -> str:
    band = f"{_ends(found.band)} %"
    if not found.ours.n:
        return "a finished run has no such accuracy" if found.entry.done else "no run has finished"
    if found.ours.n < FEWEST_SEEDS:
        return f"a verdict needs at least {FEWEST_SEEDS} seeds"
    if found.interval is None:
        return "its records do not say which test samples were right"
    ours = f"the whole interval of our mean, {_ends(found.interval)} %, lies"
    if found.verdict == "reproduced":
        return f"{ours} within {band}"
    if found.verdict == "not reproduced":
        return f"{ours} {'below' if found.interval[1] < found.band[0] else 'above'} {band}"
    words = f"the interval of our mean, {_ends(found.interval)} %, lies partly within {band} and partly outside"
    if found.floor is not None and found.floor > found.spec.tolerance:
        what = "training samples that seeds share leave" if by_fold else "test samples alone leave"
        words += f"; no number of seeds would show it reproduced, as {what} ± {fixed(found.floor)} points"
    return words


def _deviations(comparison: Comparison) -> list[Block]:
    told = comparison.suite.spec.deviations
    if not told:
        return [Paragraph("The suite declares no deviation from the published recipe.")]
    return [Paragraph("Declared deviations from the published recipe:"), Bullets(list(map(Said, told)))]
