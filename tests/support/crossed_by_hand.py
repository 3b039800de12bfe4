"""The crossed analysis of two networks once more, from its definitions and with no code of the product's."""

import math

import numpy as np
from scipy import stats


def mean_and_half_width(one, other, comparisons=1):
    """Mean difference of right or wrong [S, N] of two networks, and half the interval's width by its level."""
    z = stats.norm.ppf(1 - 0.025 / comparisons)
    added = z * z / 4
    d = np.asarray(one, dtype=float) - np.asarray(other, dtype=float)
    seeds, samples = d.shape
    # samples that only the one gets right, and as many that only the other does
    d = np.concatenate([d, np.ones((seeds, 1)), -np.ones((seeds, 1))], axis=1)
    weight = np.array([1.0] * samples + [added, added])
    rows, columns = (d * weight).sum(1) / weight.sum(), d.mean(0)
    mean = rows.mean()
    of_seeds = weight.sum() * ((rows - mean) ** 2).sum() / (seeds - 1)
    of_samples = seeds * (weight * (columns - mean) ** 2).sum() / (weight.sum() - 1)
    rest = (weight * (d - rows[:, None] - columns + mean) ** 2).sum() / ((seeds - 1) * (weight.sum() - 1))
    total = max(of_seeds + of_samples - rest, of_seeds, of_samples)

    def half(alpha):
        t_seeds, t_samples = stats.t.ppf(1 - alpha / 2, seeds - 1), stats.t.ppf(1 - alpha / 2, weight.sum() - 1)
        squares = of_seeds * t_seeds**2 + (total - of_seeds) * t_samples**2
        return math.sqrt(squares / (seeds * weight.sum()))

    return d[:, :samples].mean(), half


def interval(one, other, comparisons=1):
    """Mean and ends of the interval in points."""
    centre, half = mean_and_half_width(one, other, comparisons)
    width = half(0.05 / comparisons)
    return 100 * centre, 100 * (centre - width), 100 * (centre + width)


def analysed(one, other, comparisons=1):
    """Mean, ends of the interval in points, and p, of right or wrong [S, N] of two networks."""
    centre, half = mean_and_half_width(one, other, comparisons)
    low, high = 0.0, 1.0
    for _ in range(200):
        middle = (low + high) / 2
        low, high = (low, middle) if half(middle) < abs(centre) else (middle, high)
    return *interval(one, other, comparisons), min(1.0, comparisons * high)
