"""What a report is made from, computed once: the comparison, its prices under each table, what the figures draw."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bench.records.record import RunRecord
from bench.report.evidence.comparison import Comparison, compare
from bench.report.evidence.pricing import Priced, price
from bench.suite.load import Suite


@dataclass(frozen=True)
class Evidence:
    """A suite with its records, compared and priced: page, figures, tables and CSV all take this and reckon nothing."""

    comparison: Comparison
    tables: tuple[str, ...]  # cost tables by name or path, the first one leads
    prices: tuple[Priced, ...]  # one per table

    @classmethod
    def of(cls, suite: Suite, records: Sequence[RunRecord], tables: Sequence[str] | None = None) -> Evidence:
        """Compare and price records (in any order) under `tables`, the suite's own where None.

        Raises UnknownNameError or TableError for a table that cannot be used.
        """
        comparison, chosen = compare(suite, records), tuple(tables or suite.spec.energy)
        return cls(comparison, chosen, tuple(price(comparison, chosen)))
