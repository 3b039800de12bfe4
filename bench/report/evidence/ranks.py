"""Entries ranked over several suites: average ranks, whether they differ at all, and which pairs do."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from bench.errors import BenchError
from bench.report.evidence.comparison import Comparison
from bench.report.evidence.quantities import ACCURACY
from bench.report.evidence.statistics import ERROR, summarise_complete

FEWEST_SUITES, FEWEST_ENTRIES = 2, 2


@dataclass(frozen=True)
class Pair:
    """Two entries over all suites: in how many the first was better, equal, worse; Wilcoxon's p, corrected (Holm)."""

    one: str
    other: str
    wins: int
    ties: int
    losses: int
    mean_difference: float  # percentage points
    p: float


@dataclass(frozen=True)
class Ranks:
    """Entries by average rank, 1 the most accurate, over suites in which all of them have learned.

    accuracies: [suites, entries], percent, means over finished seeds. unfinished: where runs are missing, in words.
    """

    suites: tuple[str, ...]
    entries: tuple[str, ...]
    accuracies: NDArray[np.float64]
    unfinished: tuple[str, ...] = ()

    @property
    def by_suite(self) -> NDArray[np.float64]:
        """Ranks [suites, entries]; entries that are equal share the mean of theirs."""
        return np.asarray(stats.rankdata(-self.accuracies, axis=1), dtype=np.float64)

    @property
    def average(self) -> dict[str, float]:
        """The average rank of each entry."""
        return dict(zip(self.entries, map(float, self.by_suite.mean(axis=0)), strict=True))

    @property
    def friedman_p(self) -> float | None:
        """Chance of ranks at least so unequal among equal entries; None for two entries, where Wilcoxon's p says it.

        Friedman 1937, in the form of Iman & Davenport 1980 that Demsar 2006 advises: F of k - 1 and (k - 1)(N - 1).
        """
        suites, entries = self.accuracies.shape
        if entries < 3:
            return None
        ranks = self.by_suite
        squares = ((ranks - (entries + 1) / 2) ** 2).sum()
        if not squares:
            return 1.0  # equal everywhere
        chi = suites**2 * (entries - 1) * ((ranks.mean(axis=0) - (entries + 1) / 2) ** 2).sum() / squares  # ties too
        left = suites * (entries - 1) - chi
        if left <= 1e-9:
            return 0.0  # the same order in all suites
        return float(stats.f.sf((suites - 1) * chi / left, entries - 1, (entries - 1) * (suites - 1)))

    @property
    def critical_difference(self) -> float:
        """Average ranks that are further apart differ with 95 % (Nemenyi 1963; Demsar 2006, eq. 3.2)."""
        suites, entries = self.accuracies.shape
        quantile = float(stats.studentized_range.isf(ERROR, entries, np.inf)) / math.sqrt(2)
        return quantile * math.sqrt(entries * (entries + 1) / (6 * suites))

    @property
    def least_p(self) -> float:
        """The smallest p that Wilcoxon's test can give with so many suites, before any correction."""
        return float(2.0 ** (1 - len(self.suites)))

    @property
    def pairs(self) -> list[Pair]:
        """All pairs: Wilcoxon's signed ranks over suites (two-sided), corrected for their number (Holm 1979)."""
        found = list(itertools.combinations(range(len(self.entries)), 2))
        apart = [self.accuracies[:, one] - self.accuracies[:, other] for one, other in found]
        corrected = holm([_wilcoxon(each) for each in apart])
        return [
            Pair(
                self.entries[one],
                self.entries[other],
                wins=int((each > 0).sum()),
                ties=int((each == 0).sum()),
                losses=int((each < 0).sum()),
                mean_difference=float(each.mean()),
                p=p,
            )
            for (one, other), each, p in zip(found, apart, corrected, strict=True)
        ]


def rank(comparisons: Sequence[Comparison]) -> Ranks:
    """Rank the entries with a finished run in every suite, by the mean accuracy of the last epoch.

    Raises BenchError with fewer than two suites or entries that all of them have.
    """
    found = {each.suite.name: _accuracies(each) for each in comparisons}
    if len(found) < FEWEST_SUITES:
        raise BenchError("rank: needs two suites or more; entries are ranked within each and compared over all")
    first, *others = found.values()
    common = [label for label in first if all(label in other for other in others)]
    if len(common) < FEWEST_ENTRIES:
        have = "; ".join(f"{name} has {', '.join(labels) or 'none'}" for name, labels in found.items())
        raise BenchError(f"rank: fewer than two entries have a finished run, and learned, in all suites: {have}")
    unfinished = tuple(
        f"{len(entry.done)} of {len(entry.slots)} runs of {entry.label} in {each.suite.name}"
        for each in comparisons
        for entry in each.entries
        if entry.label in common and len(entry.done) < len(entry.slots)
    )
    accuracies = np.array([[own[label] for label in common] for own in found.values()])
    return Ranks(tuple(found), tuple(common), accuracies, unfinished)


def holm(values: Sequence[float]) -> list[float]:
    """Return p values corrected for their number, in their order (Holm 1979)."""
    order = sorted(range(len(values)), key=values.__getitem__)
    found, largest = [0.0] * len(values), 0.0
    for at, index in enumerate(order):
        largest = max(largest, min(1.0, (len(values) - at) * values[index]))
        found[index] = largest
    return found


def _accuracies(comparison: Comparison) -> Mapping[str, float]:
    """Return the mean accuracy of each entry; where seeds test other samples, over the seeds that all entries have."""
    entries = [entry for entry in comparison.entries if entry.sound and entry.done]
    seeds = [{record.seed for record in entry.done} for entry in entries]
    of = set.intersection(*seeds) if comparison.resampled and seeds else set().union(*seeds)
    means = {
        entry.label: summarise_complete([ACCURACY.value(record) for record in entry.done if record.seed in of]).mean
        for entry in entries
    }
    return {label: round(mean, 9) for label, mean in means.items() if mean is not None}  # equal is equal


def _wilcoxon(apart: NDArray[np.float64]) -> float:
    return float(stats.wilcoxon(apart).pvalue) if apart.any() else 1.0
