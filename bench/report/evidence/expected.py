"""Accuracies that somebody published, beside ours: an interval of our mean, and whether it is the same."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from bench.records.record import RunRecord
from bench.report.evidence.comparison import Comparison, Entry
from bench.report.evidence.crossed import CONFIDENCE, Components, components
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
    components: Components | None  # of right answers counted as 1 and wrong ones as -1
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
    return [_expected(entry, spec, (1 - CONFIDENCE) * comparison.share / len(asked)) for entry, spec in asked]


def _expected(entry: Entry, spec: ExpectSpec, error: float) -> Expected:
    ours = entry.summary(lambda record: _percent(record, spec))
    answers = _answers(entry, spec)
    usable = answers is not None and len(answers) == ours.n
    return Expected(entry, spec, ours, components(answers, error) if answers is not None and usable else None, error)


def _percent(record: RunRecord, spec: ExpectSpec) -> float | None:
    fraction = record.accuracy_fraction if spec.of == "last" else record.best_accuracy_fraction
    return None if fraction is None else 100 * fraction


def _answers(entry: Entry, spec: ExpectSpec) -> NDArray[np.int64] | None:
    """Return whether each run [S] was right about each test sample [N], as 1 and -1; None without bits of the same N.

    Of the best epoch no bits are kept, only how many are right. Here every run is right about the first so many: then
    samples are as unequally hard as these numbers allow, and no other bits with the same numbers have a wider interval.
    (That an epoch was chosen widens nothing: the greatest of normal values varies no more than the most variable one.)
    """
    bits = list(entry.correct.values())
    if not bits or not bits[0].size or any(each.shape != bits[0].shape for each in bits):
        return None
    if spec.of == "best":
        shares = [record.best_accuracy_fraction or 0.0 for record in entry.done]
        bits = [np.arange(bits[0].size) < round(share * bits[0].size) for share in shares]
    return 2 * np.stack(bits).astype(np.int64) - 1


def _half_width(found: Components, error: float) -> float:
    return 50 * found.half_width(error)  # from 1 to -1 is twice as far as from right to wrong
