"""Differences in accuracy between two networks where every seed has a test split of its own: folds of all samples.

Samples are not crossed with seeds there, and any two seeds train on many of the same samples, so that what they find is
not independent. The difference of a seed is paired (the same samples train and test both networks), and the variance of
the mean over n seeds is taken to be (1/n + n_test/n_train) s squared, s being the standard deviation over seeds, with
n - 1 degrees of freedom (Nadeau & Bengio 2003, "Inference for the generalization error", Machine Learning 52; for
repeated cross-validation Bouckaert & Frank 2004, "Evaluating the replicability of significance tests for comparing
learning algorithms", PAKDD).
"""

from __future__ import annotations

import math
import statistics
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bench.records.source import Fold
from bench.report.evidence.crossed import CONFIDENCE, Correct, Difference, pseudo_samples, student


@dataclass(frozen=True)
class Resampled:
    """What n seeds say of a mean difference, as shares: each has `samples` test samples of its own, on average.

    of_seeds: variance of the differences over seeds. of_sample: that of the difference at a single test sample.
    """

    seeds: int
    samples: float
    overlap: float  # test samples per training sample
    of_seeds: float
    of_sample: float

    @property
    def real_samples(self) -> int:
        """How many test samples a seed has."""
        return round(self.samples)

    @property
    def of_one_seed(self) -> float:
        """Variance of the difference of a seed; never less than its test samples alone make it.

        Differences are multiples of one sample, so that few of them may be alike by chance, or all of them.
        """
        return max(self.of_seeds, self.of_sample / self.samples)

    @property
    def variance(self) -> float:
        """Variance of the mean difference; with ever more seeds `overlap` times that of one remains."""
        return (1 / self.seeds + self.overlap) * self.of_one_seed

    @property
    def from_seeds(self) -> float:
        """All of it is known from the differences of the seeds."""
        return 1.0

    def half_width(self, alpha: float) -> float:
        """Half the width of the interval that misses the true mean with a chance of `alpha`: Student's, n - 1."""
        return student(alpha, self.seeds - 1) * math.sqrt(self.variance)

    def expected(self, seeds: int | None = None, samples: float | None = None) -> Resampled:
        """Return what is to be expected of so many seeds and test samples, were these the true variances.

        More samples take away from the part that samples make alone; folds are as large a share of all as before.
        """
        found = self.samples if samples is None else samples
        luck = max(0.0, self.of_seeds - self.of_sample / self.samples)
        of_seeds = luck + self.of_sample / found
        return Resampled(self.seeds if seeds is None else seeds, found, self.overlap, of_seeds, self.of_sample)


def shared_folds(one: Mapping[int, Fold], other: Mapping[int, Fold]) -> dict[int, Fold]:
    """Return the folds of the seeds in which both were tested on the same samples; of two, with the fewer to train."""
    return {
        seed: min(fold, other[seed], key=lambda each: each.train_samples)
        for seed, fold in one.items()
        if seed in other and other[seed].test == fold.test
    }


def resampled_difference(
    one: Correct,
    other: Correct,
    folds: Mapping[int, Fold],
    comparisons: int = 1,
    share: float = 1.0,
    size: int = 1,
) -> Difference:
    """Compare two networks by what each got right of the test samples of a seed, [N] by seed.

    folds: of the seeds in which both were tested on the same samples; no others are paired.  size: see `difference`.
    """
    both = [seed for seed in folds if seed in one and seed in other and one[seed].shape == other[seed].shape]
    apart = {seed: one[seed].astype(np.int64) - other[seed] for seed in both if one[seed].size}
    if not apart:
        return Difference((), (), None, None, comparisons, share, 100.0 * size)
    by_seed = tuple(100 * int(each.sum()) / each.size for each in apart.values())
    alpha = (1 - CONFIDENCE) * share / comparisons
    found = resampled(list(apart.values()), [folds[seed] for seed in apart], alpha, size)
    return Difference(tuple(apart), by_seed, statistics.fmean(by_seed), found, comparisons, share, 100.0 * size)


def resampled(
    apart: Sequence[NDArray[np.int64]], folds: Sequence[Fold], alpha: float, size: int = 1
) -> Resampled | None:
    """Return what differences [N] of each seed say, for an interval that misses with a chance of alpha.

    As in the crossed analysis z squared over 4 samples are added on either side, here to as many as the partition with
    most has: a sample that is tested in several partitions is not several samples. None with one seed.
    """
    if len(apart) < 2:
        return None
    tested: Counter[int] = Counter()
    for each, fold in zip(apart, folds, strict=True):
        tested[fold.repetition] += each.size
    samples, most, added = tested.total(), max(tested.values()), 2 * pseudo_samples(alpha)
    squared, mean = (sum(int((each**power).sum()) for each in apart) / samples for power in (2, 1))
    return Resampled(
        seeds=len(apart),
        samples=samples / len(apart),
        overlap=samples / sum(fold.train_samples for fold in folds),
        of_seeds=statistics.variance([int(each.sum()) / each.size for each in apart]),
        of_sample=(most * squared + added * size**2) / (most + added) - (most * mean / (most + added)) ** 2,
    )
