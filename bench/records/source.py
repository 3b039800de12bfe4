"""What data is: what its values mean to a counter, and how much of it was there."""

from __future__ import annotations

from typing import Literal

from bench.records.bounds import Part, Total, Word

InputKind = Literal["binary", "ternary", "graded", "analog"]


class DataSource(Part):
    """What was there of a data set that comes in single recordings."""

    recordings: dict[Word, Total]  # by split, before any is held out
    complete: Total  # how many the whole data set has
    files: str  # digest of their names and sizes

    @property
    def partial(self) -> bool:
        """Whether some of the data set was not there."""
        return sum(self.recordings.values()) < self.complete
