"""Every finished run under conventions of others, beside our leading table: means over seeds, differences by cause."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from statistics import fmean

from bench.energy.conventions.base import Charge, Convention, Estimate, convention_called
from bench.energy.conventions.split import Split, split
from bench.report.evidence.comparison import Comparison
from bench.report.evidence.entry import Entry
from bench.report.evidence.pricing import DENSE, Priced
from bench.report.evidence.statistics import summarise_complete
from bench.report.formats.text import ratio

NEGLIGIBLE = 1e-9  # of the largest energy: what rounding leaves


@dataclass(frozen=True)
class ChargedLayer:
    """What a convention charges one layer of an entry: means over its finished runs, None where it leaves it out."""

    name: str
    operation: str
    rate: float | None
    times: float
    operations_per_sample: float


@dataclass(frozen=True)
class Converted:
    """A comparison under one convention. `ours` is the leading table's, with analog layers dense."""

    name: str
    convention: Convention
    ours: Priced
    estimates: Mapping[str, tuple[Estimate, ...]]  # by label, one per finished run
    splits: Mapping[str, tuple[Split | None, ...]]  # the same

    def mean(self, entry: Entry) -> float | None:
        """Return the mean energy in pJ per sample; None where something of it is missing."""
        return summarise_complete([each.pj_per_sample for each in self.estimates[entry.label]]).mean

    def at_least(self, entry: Entry) -> float | None:
        """Return the mean of what can be computed, in pJ per sample; None where that bounds nothing."""
        return summarise_complete([each.at_least_pj_per_sample for each in self.estimates[entry.label]]).mean

    def our_mean(self, entry: Entry) -> float | None:
        """Return our mean energy in pJ per sample."""
        return self.ours.mean(entry, "total", DENSE)

    def ratio(self, entry: Entry) -> float | None:
        """Return the mean energy as a multiple of the baseline's; None unless both are sound."""
        comparable = self.ours.comparable(entry)
        return ratio(self.mean(entry), self.mean(self.ours.baseline)) if comparable else None

    def missing(self, entry: Entry) -> tuple[str, ...]:
        """Return what the convention needs and the records of an entry do not hold."""
        return tuple(dict.fromkeys(what for each in self.estimates[entry.label] for what in each.missing))

    def causes(self, entry: Entry) -> dict[str, Fraction] | None:
        """Return why the mean differs from ours, pJ per sample by cause and exact; None where there is no number."""
        found = self.splits[entry.label]
        splits = [each for each in found if each is not None]
        if not splits or len(splits) < len(found):
            return None
        names = dict.fromkeys(cause for each in splits for cause in each.causes)
        zero = Fraction(0)
        return {name: sum((each.causes.get(name, zero) for each in splits), zero) / len(splits) for name in names}

    def layers(self, entry: Entry) -> Iterator[ChargedLayer]:
        """Yield what is charged of each layer, in the order of the network."""
        found: dict[str, list[Charge]] = {}
        for estimate in self.estimates[entry.label]:
            for charge in filter(None, estimate.charges):
                found.setdefault(charge.name, []).append(charge)
        for name, charges in found.items():
            yield ChargedLayer(
                name,
                "/".join(dict.fromkeys(charge.operation.upper() for charge in charges)),
                summarise_complete([charge.rate for charge in charges]).mean,
                fmean(charge.times for charge in charges),
                fmean(charge.operations for charge in charges),
            )


def convert(comparison: Comparison, ours: Priced, names: Sequence[str]) -> tuple[Converted, ...]:
    """Return the comparison under each convention. Raises UnknownNameError or ParameterError for one that is none."""
    return tuple(_converted(comparison, ours, name) for name in dict.fromkeys(names))


def _converted(comparison: Comparison, ours: Priced, name: str) -> Converted:
    convention = convention_called(name)
    estimates, splits = {}, {}
    for entry in comparison.entries:
        counts = list(entry.counts.values())
        theirs = tuple(map(convention.estimate, counts))
        estimates[entry.label] = theirs
        splits[entry.label] = tuple(map(split, counts, ours.breakdowns[entry.label], theirs))
    return Converted(name, convention, ours, estimates, splits)
