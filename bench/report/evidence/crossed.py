"""Differences in accuracy between two networks over seeds and test samples, both of which are sources of chance.

d[s, i] is 1 where of seed s only the one network is right about sample i, -1 where only the other is, else 0; of a
difference of differences it is that of the two networks of the first less that of the second, -2 to 2. Seeds and
samples are crossed and drawn from what might have been: d = mean + seed + sample + rest, each with a variance of its
own (two-way random effects without replication; Searle, Casella & McCulloch 1992, Variance Components, chapter 4).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, special

CONFIDENCE = 0.95
# What was got right of the test samples, [N] by seed; of a pair of networks, the first one's less the second one's.
Correct = Mapping[int, NDArray[np.bool_] | NDArray[np.int64]]


def pseudo_samples(alpha: float) -> float:
    """Return how many samples that only the one gets right, in every seed, are added, and as many of the other's.

    z squared over 4, with the two-sided normal quantile z: without them, few disagreements would make an interval too
    narrow, and none one of no width (as Agresti & Coull 1998, "Approximate is better than exact for interval estimation
    of binomial proportions", Am. Stat. 52, for one proportion).
    """
    return float(special.ndtri(alpha / 2)) ** 2 / 4


def student(alpha: float, degrees: float) -> float:
    """Return Student's two-sided quantile; by the function behind `scipy.stats`, which takes 50 times as long."""
    return float(-special.stdtrit(degrees, alpha / 2))


class Chance(Protocol):
    """How far a mean difference may lie from the true one, as shares: of this analysis, or that of `resampled`."""

    @property
    def seeds(self) -> int:
        """How many seeds there are."""
        ...

    @property
    def samples(self) -> float:
        """How many test samples a seed has."""
        ...

    @property
    def real_samples(self) -> int:
        """The same without those added."""
        ...

    @property
    def variance(self) -> float:
        """Variance of the mean difference."""
        ...

    @property
    def from_seeds(self) -> float:
        """Share of it that is known from as many values as there are seeds."""
        ...

    def half_width(self, alpha: float) -> float:
        """Half the width of the interval that misses the true mean with a chance of at most `alpha`."""
        ...

    def expected(self, seeds: int | None = None, samples: float | None = None) -> Chance:
        """Return what is to be expected of so many seeds and samples, were these variances the true ones."""
        ...


@dataclass(frozen=True)
class Components:
    """Mean squares of seeds, samples and the rest, as shares squared, of S seeds and N samples."""

    seeds: int
    samples: float  # with the pseudo samples
    of_seeds: float
    of_samples: float
    rest: float
    pseudo: float = 0.0  # samples added on either side

    @property
    def real_samples(self) -> int:
        """How many samples there are without those added."""
        return round(self.samples - 2 * self.pseudo)

    @property
    def variance(self) -> float:
        """Variance of the mean difference; never less than seeds or samples alone make it."""
        both = self.of_seeds + self.of_samples - self.rest
        return max(both, self.of_seeds, self.of_samples) / (self.seeds * self.samples)

    @property
    def from_seeds(self) -> float:
        """Share of the variance that is known from S seeds alone."""
        return self.of_seeds / (self.variance * self.seeds * self.samples)

    def half_width(self, alpha: float) -> float:
        """Half the width of the interval that misses the true mean with a chance of at most `alpha`.

        Each part of the variance is widened by Student's quantile of its own degrees of freedom, S - 1 and N - 1
        (Banerjee 1960, "Approximate confidence interval for linear functions of means of k populations when the
        population variances are not equal", Sankhya 22). Satterthwaite's, which is narrower, misses too often at n = 3.
        """
        share = self.from_seeds
        seeds, samples = (student(alpha, n - 1) for n in (self.seeds, self.samples))
        return math.sqrt((share * seeds**2 + (1 - share) * samples**2) * self.variance)

    def expected(self, seeds: int | None = None, samples: float | None = None) -> Components:
        """Return what the mean squares of so many seeds and samples should be, were these the true variances."""
        s, n = self.seeds if seeds is None else seeds, self.samples if samples is None else samples
        seed = max(0.0, self.of_seeds - self.rest) / self.samples
        sample = max(0.0, self.of_samples - self.rest) / self.seeds
        return Components(s, n, self.rest + n * seed, self.rest + s * sample, self.rest, self.pseudo)


@dataclass(frozen=True)
class Difference:
    """One network's accuracy minus another's in percentage points, over the seeds that both finished.

    `comparisons` is how many are made together, `share` that of the chance of error which this look may spend: interval
    and p are corrected for both (Bonferroni), so that all intervals of all reports of a suite hold at once with 95 %.
    There is no interval with one seed, nor without bits of the same samples.
    """

    seeds: tuple[int, ...]
    by_seed: tuple[float, ...]  # points
    mean: float | None
    components: Chance | None
    comparisons: int = 1
    share: float = 1.0
    reach: float = 100.0  # points; a true difference is no greater

    @property
    def alpha(self) -> float:
        """The chance with which the interval may miss."""
        return (1 - CONFIDENCE) * self.share / self.comparisons

    @property
    def of_differences(self) -> bool:
        """Whether it is between two differences, each of which may be 100 points either way."""
        return self.reach > 100

    @property
    def n(self) -> int:
        """How many seeds are paired."""
        return len(self.seeds)

    @property
    def sd(self) -> float | None:
        """Standard deviation (n - 1) over seeds, in points."""
        return float(np.std(self.by_seed, ddof=1)) if self.n > 1 else None

    @property
    def reversed(self) -> Difference:
        """The same with the two networks exchanged."""
        mean = None if self.mean is None else -self.mean
        return replace(self, by_seed=tuple(-value for value in self.by_seed), mean=mean)

    def half_width(self, components: Chance | None = None) -> float | None:
        """Half the width of the simultaneous interval, in points; of other components where they are given."""
        components = components or self.components
        return None if components is None else 100 * components.half_width(self.alpha)

    @property
    def low(self) -> float | None:
        """Lower end of the simultaneous interval, in points; no accuracy is more than 100 points below another's."""
        half = self.half_width()
        return None if half is None or self.mean is None else max(-self.reach, self.mean - half)

    @property
    def high(self) -> float | None:
        """Upper end of the simultaneous interval, in points; within reach, too."""
        half = self.half_width()
        return None if half is None or self.mean is None else min(self.reach, self.mean + half)

    @property
    def p(self) -> float | None:
        """Corrected p value: below 0.05 exactly where the interval excludes 0."""
        if self.components is None or self.mean is None:
            return None
        distance, components = abs(self.mean) / 100, self.components

        def beyond(log_alpha: float) -> float:
            return components.half_width(math.exp(log_alpha)) - distance

        lowest = -60.0  # of no interest below
        if beyond(lowest) < 0:
            return 0.0
        alone = 1.0 if distance == 0 else math.exp(float(optimize.brentq(beyond, lowest, 0.0, xtol=1e-12)))
        return min(1.0, alone * self.comparisons / self.share)


def difference(
    one: Correct,
    other: Correct,
    comparisons: int = 1,
    share: float = 1.0,
    size: int = 1,
) -> Difference:
    """Compare two networks by what each got right of the test samples, [N] by seed, over the seeds that both have.

    Or two pairs of networks, by what the first of a pair got right and the second did not, less the opposite:
    `size` 2, which is how far a sample may move the difference.
    """
    paired = [seed for seed in other if seed in one and one[seed].shape == other[seed].shape]
    shapes = Counter(one[seed].shape for seed in paired)  # the same samples in every seed: those that most have
    seeds = tuple(seed for seed in paired if one[seed].shape == max(shapes, key=shapes.__getitem__))
    if not seeds or not one[seeds[0]].size:
        return Difference((), (), None, None, comparisons, share, 100.0 * size)
    # counted, so that equal is equal: a share of samples has no exact value in binary
    apart = np.stack([one[seed].astype(np.int64) - other[seed] for seed in seeds])
    samples = apart.shape[1]
    by_seed = tuple(100 * int(total) / samples for total in apart.sum(1))
    mean = 100 * int(apart.sum()) / apart.size
    found = components(apart, (1 - CONFIDENCE) * share / comparisons, size)
    return Difference(seeds, by_seed, mean, found, comparisons, share, 100.0 * size)


def components(apart: NDArray[np.int64], alpha: float, size: int = 1) -> Components | None:
    """Return the mean squares of differences [S, N], for an interval that misses with a chance of alpha.

    size: the largest that a difference can be; those of the samples that are added are so large.  None with one seed.
    """
    seeds, samples = apart.shape
    if seeds < 2:
        return None
    pseudo = pseudo_samples(alpha)
    weight, added = samples + 2 * pseudo, 2 * pseudo * seeds * size**2
    total, of_seed, of_sample = float(apart.sum()), apart.sum(1), apart.sum(0)
    # Sums of squares about 0, each less that of the mean; a sample that is added is alike for every seed.
    correction = total**2 / (seeds * weight)
    between_seeds = float((of_seed.astype(np.float64) ** 2).sum()) / weight - correction
    between_samples = float((of_sample.astype(np.float64) ** 2).sum()) / seeds + added - correction
    everything = float((apart**2).sum()) + added - correction
    left = everything - between_seeds - between_samples
    rest = max(0.0, left) / ((seeds - 1) * (weight - 1))
    return Components(
        seeds, weight, max(0.0, between_seeds) / (seeds - 1), between_samples / (weight - 1), rest, pseudo
    )
