"""Means over seeds, and two networks compared on the same test samples."""

from __future__ import annotations

import functools
import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from bench.report.evidence.crossed import CONFIDENCE, student
from bench.suite.looks import FEWEST_SEEDS

ERROR = 1 - CONFIDENCE  # the chance that an interval misses


@dataclass(frozen=True)
class Summary:
    """Mean and standard deviation (n - 1) of n values; None where there are too few."""

    n: int
    mean: float | None
    sd: float | None


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


def interval(summary: Summary, error: float = ERROR, overlap: float = 0.0) -> tuple[float, float] | None:
    """Return Student's interval of a mean, which misses with a chance of `error`; None with fewer than three values.

    overlap: test samples per training sample, where the networks of the seeds were trained on many of the same samples:
    the variance of the mean is then (1/n + overlap) times that of a value (Nadeau & Bengio 2003, see `resampled`).
    """
    if summary.mean is None or summary.sd is None or summary.n < FEWEST_SEEDS:
        return None
    half = student(error, summary.n - 1) * summary.sd / math.sqrt(summary.n)
    half *= math.sqrt(1 + summary.n * overlap)
    return summary.mean - half, summary.mean + half


def ratio_interval(
    one: Mapping[int, float | None], other: Mapping[int, float | None], error: float = ERROR, overlap: float = 0.0
) -> tuple[float, float] | None:
    """Return the interval of the ratio of two quantities, from the values of both by seed.

    Student's, of the mean logarithm of the ratios of the seeds that have both, so around their geometric mean; None
    with fewer than three of them. Ratios that are the same for every seed have an interval of no width.  overlap: as in
    `interval`.
    """
    pairs = [(value, base) for seed, value in one.items() if value and (base := other.get(seed))]
    logs = summarise([math.log(value / base) for value, base in pairs])
    found = interval(logs, error, overlap)
    return None if found is None else (math.exp(found[0]), math.exp(found[1]))


def mcnemar(baseline: NDArray[np.bool_], entry: NDArray[np.bool_]) -> McNemar:
    """Compare two networks on the same test samples: exact binomial test of the discordant pairs.

    McNemar 1947, "Note on the sampling error of the difference between correlated proportions", Psychometrika 12.
    """
    only_baseline = int(np.count_nonzero(baseline & ~entry))
    only_entry = int(np.count_nonzero(entry & ~baseline))
    discordant = only_baseline + only_entry
    return McNemar(only_baseline, only_entry, _two_sided(only_entry, discordant))


@functools.cache
def _two_sided(count: int, of: int) -> float:
    return float(stats.binomtest(count, of, 0.5).pvalue) if of else 1.0
