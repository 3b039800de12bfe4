"""What a difference in accuracy establishes, by one rule that is said in advance, and what more evidence would."""

from __future__ import annotations

import functools
import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, special

from bench.report.evidence.crossed import Chance, Difference, student
from bench.suite.looks import FEWEST_SEEDS, Looks

POWER = 0.8
MOST_SEEDS = 100  # that are asked for
_SEEDS_WITH_MORE_SAMPLES = (10, 20, 50, 100)
_MOST_TIMES = 1 << 20  # more samples than there are
_LIKELY = 200
MOST_LETTERS = 26


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
        return self._words("better", "worse", "as accurate")

    @property
    def words_of_gains(self) -> str:
        """The same of a difference of differences: `larger`, `smaller, but as large`, ...; `not established`."""
        return self._words("larger", "smaller", "as large")

    def _words(self, better: str, worse: str, equal: str) -> str:
        direction = {"better": [better], "worse": [worse], None: []}[self.direction]
        return ", but ".join([*direction, *([equal] if self.as_accurate else [])]) or "not established"


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


@functools.lru_cache(maxsize=256)
def _likely(degrees: int) -> NDArray[np.float64]:
    """Return equally likely values of chi squared over its degrees of freedom."""
    return np.asarray(2 * special.gammaincinv(degrees / 2, (np.arange(_LIKELY) + 0.5) / _LIKELY) / degrees)


@dataclass(frozen=True)
class Chances:
    """How likely a comparison is to be decided, were its variances the true ones.

    The mean difference is normal. The part of the variance that seeds make is estimated from few of them, so that the
    width of the interval varies: as chi squared with S - 1 degrees of freedom, here at 200 equally likely values.
    """

    error: float  # standard deviation of the mean difference, points
    half_widths: NDArray[np.float64]  # equally likely, points

    @classmethod
    def of(cls, parts: Chance, alpha: float) -> Chances:
        """Return the chances with these components at an interval's level."""
        degrees, share = parts.seeds - 1, parts.from_seeds
        seeds, samples = (student(alpha, n - 1) for n in (parts.seeds, parts.samples))
        error = 100 * math.sqrt(parts.variance)
        return cls(error, error * np.sqrt(_likely(degrees) * share * seeds**2 + (1 - share) * samples**2))

    def of_direction(self, true: float) -> float:
        """Return the chance that a true difference, in points, is found to be one, on its own side."""
        return float(special.ndtr((abs(true) - self.half_widths) / self.error).mean())

    def of_equality(self, true: float, margin: float) -> float:
        """Return the chance that the interval lies within the margin, both in points."""
        room = (margin - self.half_widths) / self.error
        at = abs(true) / self.error
        return float(np.clip(special.ndtr(room - at) - special.ndtr(-room - at), 0.0, None).mean())


def most_seeds(looks: Looks) -> int:
    """Return how many seeds are thought of at most: those that a suite adds, else as many as anybody would."""
    return looks.most if looks.repeated else max(MOST_SEEDS, looks.most)


def detectable(difference: Difference, seeds: int | None = None, looks: Looks | None = None) -> float | None:
    """Return the true difference, in points, that is established with a chance of 80 %, were these the true variances.

    seeds: of so many instead, at the level of that look where seeds are added. None with fewer seeds than any claim
    needs, and where there is no such difference.
    """
    parts = difference.components
    if parts is None or (seeds or difference.n) < FEWEST_SEEDS:
        return None
    if seeds is not None:
        parts = parts.expected(seeds)
        difference = replace(difference, share=looks.share(seeds) if looks and looks.repeated else difference.share)
    chances = Chances.of(parts, difference.alpha)
    if chances.of_direction(difference.reach) < POWER:
        return None
    return float(optimize.brentq(lambda true: chances.of_direction(true) - POWER, 0.0, difference.reach, xtol=1e-9))


@dataclass(frozen=True)
class Needed:
    """What would settle a comparison with a chance of 80 %, were its difference and its variances the true ones."""

    seeds: int
    samples: int | None = None  # None: those that there are


def needed(difference: Difference, margin_points: float, looks: Looks) -> Needed | None:
    """Return the fewest seeds that would settle a comparison; None where nothing would or nothing is known.

    Where seeds are added, at a look of them. Where not so many seeds would, because the chance that lies in the samples
    remains, how many samples, and of the numbers of seeds that are tried the fewest.
    """
    parts, mean = difference.components, difference.mean
    if parts is None or mean is None:
        return None

    def settled(seeds: int, times: int = 1) -> bool:
        share = looks.share(seeds) if looks.repeated else difference.share
        then = Chances.of(parts.expected(seeds, parts.samples * times), replace(difference, share=share).alpha)
        return max(then.of_direction(mean), then.of_equality(mean, margin_points)) >= POWER

    for seeds in looks.seeds if looks.repeated else range(FEWEST_SEEDS, most_seeds(looks) + 1):
        if seeds > difference.n and settled(seeds):
            return Needed(seeds)
    times, tried = 2, (looks.most,) if looks.repeated else _SEEDS_WITH_MORE_SAMPLES
    while times < _MOST_TIMES:
        for seeds in tried:
            if seeds >= difference.n and settled(seeds, times):
                return Needed(seeds, times * parts.real_samples)
        times *= 2
    return None


def letters(order: Sequence[str], different: Collection[frozenset[str]]) -> dict[str, str] | None:
    """Return letters for entries, two of which share one exactly where they are not established as different.

    None where more than 26 would be needed.

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
        if len(columns) > MOST_LETTERS:
            return None
    columns = [one for one in columns if not any(one < other for other in columns)]
    columns.sort(key=lambda column: sorted(map(order.index, column)))
    return {
        label: "".join(chr(ord("a") + at) for at, column in enumerate(columns) if label in column) for label in order
    }
