"""The crossed analysis of two networks once more, from its definitions and with no code of the product's."""

import functools
from dataclasses import dataclass, replace

import numpy as np
from scipy import stats


@functools.cache
def quantile(alpha, degrees):
    """Student's, two-sided."""
    return stats.t.ppf(1 - alpha / 2, degrees)


@dataclass(frozen=True)
class Squares:
    """Mean squares of seeds, samples and the rest, of so many seeds and (with those added) samples."""

    seeds: int
    weight: float
    of_seeds: float
    of_samples: float
    rest: float

    @property
    def total(self):
        """What the variance of the mean is in proportion to."""
        return max(self.of_seeds + self.of_samples - self.rest, self.of_seeds, self.of_samples)

    @property
    def error(self):
        """Standard deviation of the mean."""
        return np.sqrt(self.total / (self.seeds * self.weight))

    def were(self, seeds, times=1):
        """What to expect of so many seeds and times as many samples, were the variances the true ones."""
        weight, rest = self.weight * times, self.rest
        seed = max(0.0, self.of_seeds - rest) / self.weight
        sample = max(0.0, self.of_samples - rest) / self.seeds
        return replace(
            self, seeds=seeds, weight=weight, of_seeds=rest + weight * seed, of_samples=rest + seeds * sample
        )

    def half(self, alpha, likely=1.0):
        """Half the width of an interval of one minus alpha, were the mean square of seeds `likely` times as much."""
        t_seeds, t_samples = (quantile(alpha, n - 1) for n in (self.seeds, self.weight))
        squares = likely * self.of_seeds * t_seeds**2 + (self.total - self.of_seeds) * t_samples**2
        return np.sqrt(squares / (self.seeds * self.weight))


def mean_squares(one, other, comparisons=1, size=1):
    """Mean difference of right or wrong [S, N] of two networks, and its mean squares; size: of two pairs of them 2."""
    z = stats.norm.ppf(1 - 0.025 / comparisons)
    added = z * z / 4
    d = np.asarray(one, dtype=float) - np.asarray(other, dtype=float)
    seeds, samples = d.shape
    # samples that only the one gets right, and as many that only the other does
    d = np.concatenate([d, np.full((seeds, 1), size), np.full((seeds, 1), -size)], axis=1)
    weight = np.array([1.0] * samples + [added, added])
    rows, columns = (d * weight).sum(1) / weight.sum(), d.mean(0)
    mean = rows.mean()
    of_seeds = weight.sum() * ((rows - mean) ** 2).sum() / (seeds - 1)
    of_samples = seeds * (weight * (columns - mean) ** 2).sum() / (weight.sum() - 1)
    rest = (weight * (d - rows[:, None] - columns + mean) ** 2).sum() / ((seeds - 1) * (weight.sum() - 1))
    return d[:, :samples].mean(), Squares(seeds, weight.sum(), of_seeds, of_samples, rest)


def interval(one, other, comparisons=1, size=1):
    """Mean and ends of the interval in points."""
    centre, squares = mean_squares(one, other, comparisons, size)
    width = squares.half(0.05 / comparisons)
    return 100 * centre, 100 * (centre - width), 100 * (centre + width)


def analysed(one, other, comparisons=1, size=1):
    """Mean, ends of the interval in points, and p, of right or wrong [S, N] of two networks."""
    centre, squares = mean_squares(one, other, comparisons, size)
    low, high = 0.0, 1.0
    for _ in range(100):
        middle = (low + high) / 2
        low, high = (low, middle) if squares.half(middle) < abs(centre) else (middle, high)
    return *interval(one, other, comparisons, size), min(1.0, comparisons * high)
