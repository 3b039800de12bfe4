"""What a report is made from, computed once: the comparison, its prices under each table, what the figures draw."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from bench.files.canonical import canonical_json
from bench.records.record import RunRecord
from bench.report.evidence.comparison import Comparison, compare
from bench.report.evidence.conventions import Converted, convert
from bench.report.evidence.crossed import CONFIDENCE
from bench.report.evidence.decisions import judge
from bench.report.evidence.entry import Entry
from bench.report.evidence.figure_data import figure_data
from bench.report.evidence.pricing import DENSE, ZERO_SKIPPING, Priced, price
from bench.suite.load import Suite


@dataclass(frozen=True)
class Evidence:
    """A suite with its records, compared and priced: page, figures, tables and CSV all take this and reckon nothing."""

    comparison: Comparison
    tables: tuple[str, ...]  # cost tables by name or path, the first one leads
    prices: tuple[Priced, ...]  # one per table
    conventions: tuple[Converted, ...] = ()  # of others, as far as they were asked for

    @classmethod
    def of(
        cls,
        suite: Suite,
        records: Sequence[RunRecord],
        tables: Sequence[str] | None = None,
        conventions: Sequence[str] = (),
    ) -> Evidence:
        """Compare and price records (in any order) under `tables`, the suite's own where None, and `conventions`.

        Raises UnknownNameError or TableError for a table that cannot be used, UnknownNameError or ParameterError for a
        convention.
        """
        comparison, chosen = compare(suite, records), tuple(tables or suite.spec.energy)
        prices = tuple(price(comparison, chosen))
        return cls(comparison, chosen, prices, convert(comparison, prices[0], conventions))

    @property
    def leading(self) -> Priced:
        """The prices under the first table: of the verdict, the narrow table and the figure of energy."""
        return self.prices[0]

    def energy_interval(self, priced: Priced, entry: Entry, mode: str) -> tuple[float, float] | None:
        """Return the interval over seeds of an entry's energy as a multiple of that of the prices' baseline.

        Corrected like those of accuracy: the intervals of all entries under all tables, dense and zero-skipping, hold
        at once with 95 %, at this look and all others; those against a reference beside the baseline too.
        """
        comparison = self.comparison
        conventional = sum(not each.spikes for each in comparison.entries if each.done)
        pairs = len(comparison.others) + (len(comparison.entries) - conventional if conventional > 1 else 0)
        cells = pairs * len(self.prices) * len((DENSE, ZERO_SKIPPING))
        return priced.ratio_interval(entry, mode, (1 - CONFIDENCE) * comparison.share / cells, comparison.overlap)

    def energy_side(self, priced: Priced, entry: Entry, mode: str) -> str | None:
        """Return `less`, `more` or `as much` where that is established over the seeds, else None."""
        found = self.energy_interval(priced, entry, mode)
        if found is None:
            return None
        low, high = found
        return "less" if high < 1 else "more" if low > 1 else "as much" if low == high else None

    def reference(self, entry: Entry) -> Entry:
        """Return what the energy of an entry that spikes is first held against: a network without spikes.

        Of those that are not established as less accurate than the entry, at the level of all pairs, the one that takes
        least under the first table, computed densely: who wants no spikes would choose it. The baseline where none is.
        """
        comparison, baseline = self.comparison, self.comparison.baseline
        if not entry.spikes or not entry.correct:
            return baseline
        found = [
            (energy, index)
            for index, other in enumerate(comparison.entries)
            if other.correct and not other.spikes and other.sound
            if (energy := self.leading.mean(other, "total", DENSE)) is not None
            if judge(comparison.between(other, entry), comparison.suite.spec.margin_points).direction != "worse"
        ]
        return comparison.entries[min(found)[1]] if found else baseline

    @cached_property
    def figures(self) -> dict[str, Any]:
        """What each figure draws, by its name; figures without data are absent."""
        return figure_data(self.comparison, self.leading)

    @property
    def figures_json(self) -> str:
        """What the figures draw as a file, by which they are checked."""
        return canonical_json(self.figures) + "\n"
