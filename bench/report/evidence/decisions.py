"""What a difference in accuracy establishes, by one rule that is said in advance, and what more evidence would."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from scipy import stats

from bench.report.evidence.crossed import Difference
from bench.suite.looks import FEWEST_SEEDS, Looks

POWER = 0.8
MOST_SEEDS = 100  # that are asked for
_SEEDS_WITH_MORE_SAMPLES = 10
_MOST_TIMES = 1 << 20  # more samples than there are


@dataclass(frozen=True)
class Verdict:
    """What a difference establishes; a small difference can be both established and within the margin."""

    direction: str | None  # "better", "worse" or None
    as_accurate: bool

    @property
    def established(self) -> bool:
        """Whether anything may be said beyond the numbers."""
        return self.direction is not None or self.as_accurate

    @property
    def words(self) -> str:
        """`better`, `worse, but as accurate`, ...; `not established`."""
        words = [self.direction] if self.direction else []
        return ", but ".join([*words, *(["as accurate"] if self.as_accurate else [])]) or "not established"


NOTHING = Verdict(None, False)


def judge(difference: Difference, margin_points: float) -> Verdict:
    """Say what the simultaneous interval establishes, of at least three seeds: a direction, equality within the margin.

    An interval within the margin is two one-sided tests, each at half the level of the interval (Schuirmann 1987).
    """
    low, high = difference.low, difference.high
    if low is None or high is None or difference.n < FEWEST_SEEDS:
        return NOTHING
    direction = "better" if low > 0 else "worse" if high < 0 else None
    return Verdict(direction, -margin_points < low and high < margin_points)


def most_seeds(looks: Looks) -> int:
    """Return how many seeds are thought of at most: those that a suite adds, else as many as anybody would."""
    return looks.most if looks.repeated else MOST_SEEDS


def detectable(difference: Difference, seeds: int | None = None, looks: Looks | None = None) -> float | None:
    """Return the smallest true difference, in points, that is established with a chance of 80 %, by these variances.

    seeds: of so many instead, at the level of that look where seeds are added.
    """
    parts = difference.components
    if parts is None:
        return None
    if seeds is not None:
        parts = parts.expected(seeds)
        difference = replace(difference, share=looks.share(seeds) if looks and looks.repeated else difference.share)
    half = difference.half_width(parts)
    assert half is not None
    return half + 100 * float(stats.norm.ppf(POWER)) * math.sqrt(parts.variance)


@dataclass(frozen=True)
class Needed:
    """What would settle a comparison, should its difference and its variances stay: seeds, of so many test samples."""

    seeds: int
    samples: int | None = None  # None: those that there are


def needed(difference: Difference, margin_points: float, looks: Looks) -> Needed | None:
    """Return the fewest seeds that would settle a comparison; None where nothing would or nothing is known.

    Where seeds are added, at a look of them. Where no number of seeds would, because the chance that lies in the
    samples remains, how many samples of 10 seeds, or of the most that are added.
    """
    parts = difference.components
    if parts is None or difference.mean is None:
        return None

    def settled(seeds: int, times: int = 1) -> bool:
        more = parts.expected(seeds, parts.samples * times)
        share = looks.share(seeds) if looks.repeated else difference.share
        then = replace(difference, seeds=tuple(range(seeds)), components=more, share=share)
        return judge(then, margin_points).established

    for seeds in looks.seeds if looks.repeated else range(FEWEST_SEEDS, MOST_SEEDS + 1):
        if seeds > difference.n and settled(seeds):
            return Needed(seeds)
    seeds, times = looks.most if looks.repeated else _SEEDS_WITH_MORE_SAMPLES, 2
    while times < _MOST_TIMES and not settled(seeds, times):
        times *= 2
    return None if times >= _MOST_TIMES else Needed(seeds, round(times * (parts.samples - 1)))


def letters(order: Sequence[str], different: Collection[frozenset[str]]) -> dict[str, str]:
    """Return letters for entries, two of which share one exactly where they are not established as different.

    Piepho 2004, "An algorithm for a letter-based representation of all-pairwise comparisons".
    """
    columns: list[set[str]] = [set(order)]
    for pair in sorted(different, key=lambda pair: sorted(map(order.index, pair))):
        one, other = sorted(pair, key=order.index)
        for column in [column for column in columns if {one, other} <= column]:
            columns.remove(column)
            for without in (column - {other}, column - {one}):
                if not any(without <= kept for kept in columns):
                    columns.append(without)
    columns = [one for one in columns if not any(one < other for other in columns)]
    columns.sort(key=lambda column: sorted(map(order.index, column)))
    return {
        label: "".join(chr(ord("a") + at) for at, column in enumerate(columns) if label in column) for label in order
    }
