"""The numbers of the main table as CSV."""

from __future__ import annotations

import pandas as pd

from bench.report.formats.base import Format
from bench.report.formats.document import MainTable


class Csv(Format):
    """CSV: a row per entry, full precision, mean and sd apart, empty where not measured."""

    name = "csv"

    def main_table(self, table: MainTable) -> str:
        """Return the numbers themselves."""
        return pd.DataFrame(list(table.values)).to_csv(index=False, lineterminator="\n")
