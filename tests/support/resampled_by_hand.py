"""The analysis of seeds with test samples of their own once more, from its definition and with no product code."""

from dataclasses import dataclass, replace

import numpy as np
from scipy import stats


@dataclass(frozen=True)
class Squares:
    """Of so many seeds and test samples of each: n_test / n_train, variance over seeds, and that of one sample."""

    seeds: int
    weight: float
    overlap: float
    of_seeds: float
    of_sample: float

    @property
    def total(self):
        """Variance of the mean."""
        return (1 / self.seeds + self.overlap) * max(self.of_seeds, self.of_sample / self.weight)

    @property
    def error(self):
        """Standard deviation of the mean."""
        return np.sqrt(self.total)

    def half(self, alpha, likely=1.0):
        """Half the width of an interval of one minus alpha, were the variance of a seed `likely` times as much."""
        return stats.t.ppf(1 - alpha / 2, self.seeds - 1) * np.sqrt(likely * self.total)

    def were(self, seeds, times=1):
        """What to expect of so many seeds with times as many test samples."""
        luck = max(0.0, self.of_seeds - self.of_sample / self.weight)
        return replace(
            self, seeds=seeds, weight=self.weight * times, of_seeds=luck + self.of_sample / (self.weight * times)
        )


def squares_of(one, other, partitions, trained, comparisons=1, size=1):
    """Mean difference of right or wrong, [N] of each seed, of two networks, and its variances.

    partitions: of which partition of all samples a seed's are one fold.  trained: training samples of each seed.
    """
    apart = [np.asarray(a, dtype=float) - np.asarray(b, dtype=float) for a, b in zip(one, other, strict=True)]
    by_seed, sizes = np.array([each.mean() for each in apart]), np.array([each.size for each in apart])
    most = max(sizes[np.array(partitions) == partition].sum() for partition in set(partitions))
    z = stats.norm.ppf(1 - 0.025 / comparisons)
    # of as many samples as the partition with most has: so many disagreements are added on either side
    values = np.array([size, -size, *(value for value in (-1.0, 0.0, 1.0) if abs(value) != size)])
    shares = np.array([sum((each == value).sum() for each in apart) for value in values]) / sizes.sum()
    counts = most * shares + np.array([z * z / 4, z * z / 4, *[0.0] * (len(values) - 2)])
    mean = (counts * values).sum() / counts.sum()
    of_sample = (counts * (values - mean) ** 2).sum() / counts.sum()
    overlap = sizes.sum() / np.sum(trained)
    return by_seed.mean(), Squares(len(apart), sizes.mean(), overlap, by_seed.var(ddof=1), of_sample)


def interval(one, other, partitions, trained, comparisons=1, size=1):
    """Mean and ends of the interval in points."""
    centre, squares = squares_of(one, other, partitions, trained, comparisons, size)
    width = squares.half(0.05 / comparisons)
    return 100 * centre, 100 * (centre - width), 100 * (centre + width)


def analysed(one, other, partitions, trained, comparisons=1, size=1):
    """Mean, ends of the interval in points, and p."""
    centre, squares = squares_of(one, other, partitions, trained, comparisons, size)
    p = 2 * stats.t.sf(abs(centre) / squares.error, squares.seeds - 1)
    return *interval(one, other, partitions, trained, comparisons, size), min(1.0, comparisons * p)
