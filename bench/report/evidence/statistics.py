"""Means over seeds, differences paired by seed, and what may be concluded from them."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

CONFIDENCE = 0.95
FEWEST_SEEDS = 3  # for "better" or "worse"


@dataclass(frozen=True)
class Summary:
    """Mean and standard deviation (n - 1) of n values; None where there are too few."""

    n: int
    mean: float | None
    sd: float | None


@dataclass(frozen=True)
class PairedDifference:
    """Entry minus baseline over the seeds that both finished, in percentage points.

    The interval and p are of Student's paired t test. At `sd` 0, or with one seed, neither exists: a t interval of no
    width would claim certainty. `p_holm` is corrected over the entries of the suite (Holm 1979).
    """

    seeds: tuple[int, ...]
    mean: float | None
    sd: float | None
    low: float | None
    high: float | None
    p: float | None
    p_holm: float | None = None

    @property
    def n(self) -> int:
        """How many seeds are paired."""
        return len(self.seeds)


@dataclass(frozen=True)
class Verdict:
    """What a paired difference establishes; a small difference can be both established and within the margin."""

    direction: str | None  # "better", "worse" or None
    as_accurate: bool

    @property
    def established(self) -> bool:
        """Whether anything may be said beyond the numbers."""
        return self.direction is not None or self.as_accurate


@dataclass(frozen=True)
class McNemar:
    """Test samples that only one of two networks got right, and the exact two-sided binomial p."""

    only_baseline: int
    only_entry: int
    p: float


def summarise(values: Sequence[float]) -> Summary:
    """Return mean and standard deviation of `values`, correctly rounded and so independent of their order."""
    n = len(values)
    return Summary(n, statistics.fmean(values) if n else None, statistics.stdev(values) if n > 1 else None)


def summarise_complete(values: Sequence[float | None]) -> Summary:
    """Summarise `values`, as if there were none where one of them is missing."""
    return summarise([] if None in values else [value for value in values if value is not None])


def paired_difference(baseline: Mapping[int, float], entry: Mapping[int, float]) -> PairedDifference:
    """Compare accuracies in percent, given by seed, over the seeds that both have."""
    seeds = tuple(seed for seed in baseline if seed in entry)
    # Accuracies are ratios of integers: rounding takes away what subtraction in binary adds, so that equal is equal.
    summary = summarise([round(entry[seed] - baseline[seed], 9) for seed in seeds])
    if summary.mean is None or not summary.sd:
        return PairedDifference(seeds, summary.mean, summary.sd, None, None, None)
    error = summary.sd / math.sqrt(summary.n)
    half = half_width_in_sd(summary.n) * summary.sd
    p = float(2 * stats.t.sf(abs(summary.mean) / error, summary.n - 1))
    return PairedDifference(seeds, summary.mean, summary.sd, summary.mean - half, summary.mean + half, p)


def half_width_in_sd(n: int) -> float:
    """Return half the width of the 95 % t interval of a mean of n values, in standard deviations: 2.48 at n = 3."""
    return float(stats.t.ppf((1 + CONFIDENCE) / 2, n - 1)) / math.sqrt(n)


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """Return p values corrected for their number by Holm's step-down rule; None (no test made) stays None.

    Holm 1979, "A Simple Sequentially Rejective Multiple Test Procedure", Scandinavian Journal of Statistics 6.
    """
    tests = sorted((p, index) for index, p in enumerate(p_values) if p is not None)
    corrected: list[float | None] = [None] * len(p_values)
    highest = 0.0
    for rank, (p, index) in enumerate(tests):
        highest = max(highest, min(1.0, p * (len(tests) - rank)))
        corrected[index] = highest
    return corrected


def judge(difference: PairedDifference, margin_points: float) -> Verdict:
    """Say what the interval establishes: a direction (n of at least 3), and equality within the margin."""
    low, high = difference.low, difference.high
    if low is None or high is None:
        return Verdict(None, False)
    direction = None
    if difference.n >= FEWEST_SEEDS and (low > 0 or high < 0):
        direction = "better" if low > 0 else "worse"
    return Verdict(direction, -margin_points < low and high < margin_points)


def mcnemar(baseline: NDArray[np.bool_], entry: NDArray[np.bool_]) -> McNemar:
    """Compare two networks on the same test samples: exact binomial test of the discordant pairs.

    McNemar 1947, "Note on the sampling error of the difference between correlated proportions", Psychometrika 12.
    """
    only_baseline = int(np.count_nonzero(baseline & ~entry))
    only_entry = int(np.count_nonzero(entry & ~baseline))
    discordant = only_baseline + only_entry
    p = float(stats.binomtest(only_entry, discordant, 0.5).pvalue) if discordant else 1.0
    return McNemar(only_baseline, only_entry, p)
