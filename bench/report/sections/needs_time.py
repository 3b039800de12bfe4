"""Does this task need time? Each entry as trained, and without its time: what it loses, and what may be claimed."""

from __future__ import annotations

import math
from collections.abc import Sequence

from bench.report.evidence.comparison import Comparison
from bench.report.evidence.crossed import Difference
from bench.report.evidence.decisions import judge
from bench.report.evidence.entry import Entry
from bench.report.evidence.evidence import Evidence
from bench.report.evidence.needs_time import TimeTest, time_tests
from bench.report.evidence.statistics import summarise
from bench.report.formats.document import Block, Bullets, Paragraph, Table
from bench.report.formats.inline import Inline, Said, Strong, Text, join, text
from bench.report.formats.text import NOT_AVAILABLE, fixed
from bench.report.sections.cells import interval, label, mean_and_sd

AS_TRAINED = "as trained"
NO_CLAIM = "no claim about temporal gradients can be made here"
HOW = {
    "shuffled": "frames shuffled",
    "merged": "frames merged",
    "space": "trained with the gradient through space alone",
}

HEADER: tuple[Inline, ...] = (
    "entry",
    "tested",
    "accuracy, % ↑",
    "n",
    "difference, points ↑",
    "95 % interval",
    "established",
)


def section(evidence: Evidence) -> list[Block]:
    """Return what each test does, a row per entry and test, and what follows; nothing where no entry is tested."""
    comparison = evidence.comparison
    found = _by_entry(comparison)
    if not found:
        return []
    rows = [row for entry, tests in found for row in _rows(comparison, entry, tests)]
    return [
        Paragraph(_note(found)),
        Table(HEADER, rows, 2),
        Bullets([_about(comparison, entry, tests) for entry, tests in found]),
    ]


def sentence(comparison: Comparison) -> Text | None:
    """Return the verdict in one sentence; None where no entry is tested."""
    found = _by_entry(comparison)
    if not found:
        return None
    falls = [text(label(entry), f" ({_listed(lost)})") for entry, tests in found if (lost := _lost(comparison, tests))]
    space = [test for _, tests in found for test in tests if test.how == "space"]
    if not falls:
        return text("Without time no fall in accuracy is established: ", NO_CLAIM, ".")
    merged = "merged" in {how for _, tests in found for how in _lost(comparison, tests)}
    unseen = (
        " Nothing was trained on merged frames: a fall there alone does not say that order matters." if merged else ""
    )
    words = join("; ", falls)
    return text("Without time a fall in accuracy is established for ", words, _gradient(comparison, space), unseen)


def _by_entry(comparison: Comparison) -> list[tuple[Entry, list[TimeTest]]]:
    tests = list(time_tests(comparison.suite))
    of_entries = [(entry, [test for test in tests if test.label == entry.label]) for entry in comparison.trained]
    return [(entry, found) for entry, found in of_entries if found]


def _note(found: Sequence[tuple[Entry, list[TimeTest]]]) -> str:
    seen = {test.how for _, tests in found for test in tests}
    words = (
        "Differences are of a row minus the entry as trained, by the rule of Accuracy compared, and corrected for all "
        "comparisons there: a fall is established where the interval lies below 0."
    )
    if "shuffled" in seen:
        least = min(entry.spec.timesteps for entry, tests in found if "shuffled" in {test.how for test in tests})
        words += (
            " Frames shuffled: the trained network sees the T frames of each test sample in an order drawn for that "
            f"sample, the same for all entries of as many timesteps; with T = {least}, {_kept(least)} keep their order."
        )
    if "merged" in seen:
        words += (
            " Frames merged: every frame is the mean of the sample's T frames, so that as much comes in and nothing "
            "comes before anything else. A network may also lose because it was never trained on such frames."
        )
    if "space" in seen:
        words += (
            " Gradient through space alone: another training, in which each neuron's state is detached from one "
            "timestep to the next; what the network computes is the same."
        )
    return words


def _kept(timesteps: int) -> str:
    """Say which share of samples should come in the order that they have."""
    return f"{100 / math.factorial(timesteps):.2g} % of them" if timesteps < 8 else "hardly any"


def _rows(comparison: Comparison, entry: Entry, tests: Sequence[TimeTest]) -> list[list[Inline]]:
    own: list[Inline] = [label(entry), AS_TRAINED, *_accuracy(comparison, entry.label), "", "", ""]
    return [own, *(_row(comparison, test) for test in tests)]


def _row(comparison: Comparison, test: TimeTest) -> list[Inline]:
    found = _difference(comparison, test)
    words = judge(found, comparison.suite.spec.margin_points).words
    return [
        Said(test.without),
        HOW[test.how],
        *_accuracy(comparison, test.without),
        fixed(found.mean, sign=True),
        interval(found) or NOT_AVAILABLE,
        words,
    ]


def _accuracy(comparison: Comparison, name: str) -> list[Inline]:
    bits = comparison.correct[name].values()
    return [mean_and_sd(summarise([100 * float(right.mean()) for right in bits])), str(len(bits))]


def _difference(comparison: Comparison, test: TimeTest) -> Difference:
    return comparison.contrast(test.without, test.label)


def _lost(comparison: Comparison, tests: Sequence[TimeTest]) -> list[str]:
    """Return by which tests a fall is established."""
    margin = comparison.suite.spec.margin_points
    return [test.how for test in tests if judge(_difference(comparison, test), margin).direction == "worse"]


def _about(comparison: Comparison, entry: Entry, tests: Sequence[TimeTest]) -> Text:
    lost, name = _lost(comparison, tests), Strong(label(entry))
    if not lost:
        without = " or ".join(dict.fromkeys(HOW[test.how] for test in tests))
        return text(name, f": no fall is established ({without}): {NO_CLAIM}.")
    space = [test for test in tests if test.how == "space"]
    return text(name, f": a fall is established ({_listed(lost)})", _gradient(comparison, space))


def _listed(lost: Sequence[str]) -> str:
    return ", ".join(HOW[how] for how in dict.fromkeys(lost))


def _gradient(comparison: Comparison, space: Sequence[TimeTest]) -> str:
    """End a sentence about falls with what follows for gradients through time."""
    if not space:
        return f"; nothing was trained without gradients through time, and so {NO_CLAIM}."
    if not _lost(comparison, space):
        return f"; but not where it was trained without gradients through time, and so {NO_CLAIM}."
    return "."
