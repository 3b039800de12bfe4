"""Accuracies that somebody published, beside ours: an interval of our mean, and whether it is the same."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from bench.records.record import RunRecord
from bench.report.evidence.comparison import Comparison
from bench.report.evidence.crossed import CONFIDENCE, Chance, components
from bench.report.evidence.entry import Entry
from bench.report.evidence.resampled import resampled
from bench.report.evidence.statistics import Summary
from bench.suite.fields import MOST_SEEDS
from bench.suite.looks import FEWEST_SEEDS
from bench.suite.spec import ExpectSpec

Verdict = Literal["reproduced", "not reproduced", "not decidable"]


@dataclass(frozen=True)
class Expected:
    """What a suite expects of an entry, and what the entry's finished runs say of it, in percent.

    `error` is the chance that its interval misses, corrected for all expected values of the suite and for the looks.
    """

    entry: Entry
    spec: ExpectSpec
    ours: Summary
    components: Chance | None  # of right answers counted as 1 and wrong ones as -1
    error: float

    @property
    def difference(self) -> float | None:
        """Our mean minus the published accuracy, in points."""
        return None if self.ours.mean is None else self.ours.mean - self.spec.accuracy

    @property
    def interval(self) -> tuple[float, float] | None:
        """The interval of our mean, rounded outwards to the hundredths that are printed; None where there is none."""
        if self.ours.mean is None or self.components is None:
            return None
        half = _half_width(self.components, self.error)
        low, high = (round(100 * end, 6) for end in (self.ours.mean - half, self.ours.mean + half))
        return max(0.0, math.floor(low) / 100), min(100.0, math.ceil(high) / 100)

    @property
    def band(self) -> tuple[float, float]:
        """The published accuracy minus and plus its tolerance."""
        low, high = self.spec.accuracy - self.spec.tolerance, self.spec.accuracy + self.spec.tolerance
        return round(low, 6), round(high, 6)  # 94.4, where the sum of binary fractions is a little beside it

    @property
    def verdict(self) -> Verdict:
        """Reproduced where the whole interval lies within the band, not where it lies wholly outside; else unknown."""
        if self.interval is None or self.ours.n < FEWEST_SEEDS:
            return "not decidable"
        (low, high), (least, most) = self.interval, self.band
        if least <= low and high <= most:
            return "reproduced"
        return "not reproduced" if high < least or most < low else "not decidable"

    @property
    def floor(self) -> float | None:
        """Half the width that the interval should keep, in points, however many seeds there were: the samples' part."""
        return None if self.components is None else _half_width(self.components.expected(MOST_SEEDS), self.error)


def expected_values(comparison: Comparison) -> list[Expected]:
    """Return what the suite expects of its entries, in their order."""
    asked = [(entry, entry.spec.expect) for entry in comparison.trained if entry.spec.expect is not None]
    error = (1 - CONFIDENCE) * comparison.share / max(1, len(asked))
    return [_expected(entry, spec, error, comparison.resampled) for entry, spec in asked]


def _expected(entry: Entry, spec: ExpectSpec, error: float, by_fold: bool) -> Expected:
    ours = entry.summary(lambda record: _percent(record, spec))
    answers = _answers(entry, spec)
    chance = (_of_folds(entry, answers, error) if by_fold else _crossed(answers, error)) if answers else None
    return Expected(entry, spec, ours, chance if len(answers) == ours.n else None, error)


def _crossed(answers: Mapping[int, NDArray[np.int64]], error: float) -> Chance | None:
    """Return the crossed analysis of the answers [N] of each seed; None unless all are of as many samples."""
    values = list(answers.values())
    if any(each.shape != values[0].shape for each in values):
        return None
    return components(np.stack(values), error)


def _of_folds(entry: Entry, answers: Mapping[int, NDArray[np.int64]], error: float) -> Chance | None:
    """Return the analysis of seeds with test samples of their own; None where a record does not say which."""
    folds = [fold for seed in answers if (fold := entry.folds.get(seed))]
    return resampled(list(answers.values()), folds, error) if len(folds) == len(answers) else None


def _percent(record: RunRecord, spec: ExpectSpec) -> float | None:
    fraction = record.accuracy_fraction if spec.of == "last" else record.best_accuracy_fraction
    return None if fraction is None else 100 * fraction


def _answers(entry: Entry, spec: ExpectSpec) -> dict[int, NDArray[np.int64]]:
    """Return whether each run was right about each test sample [N], as 1 and -1, by seed; nothing without bits.

    Of the best epoch no bits are kept, only how many are right. Here every run is right about the first so many: then
    samples are as unequally hard as these numbers allow, and no other bits with the same numbers have a wider interval.
    (That an epoch was chosen widens nothing: the greatest of normal values varies no more than the most variable one.)
    """
    bits = {seed: right for seed, right in entry.correct.items() if right.size}
    if spec.of == "best":
        shares = {record.seed: record.best_accuracy_fraction or 0.0 for record in entry.done}
        bits = {seed: np.arange(right.size) < round(shares[seed] * right.size) for seed, right in bits.items()}
    return {seed: 2 * right.astype(np.int64) - 1 for seed, right in bits.items()}


def _half_width(found: Chance, error: float) -> float:
    return 50 * found.half_width(error)  # from 1 to -1 is twice as far as from right to wrong
