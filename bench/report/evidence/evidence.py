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
from bench.report.evidence.figure_data import figure_data
from bench.report.evidence.pricing import Priced, price
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

    @cached_property
    def figures(self) -> dict[str, Any]:
        """What each figure draws, by its name; figures without data are absent."""
        return figure_data(self.comparison, self.leading)

    @property
    def figures_json(self) -> str:
        """What the figures draw as a file, by which they are checked."""
        return canonical_json(self.figures) + "\n"
