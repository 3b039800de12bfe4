"""What data is: what its values mean to a counter, and how much of it was there."""

from __future__ import annotations

from typing import Literal

from bench.records.bounds import Part, Size, Total, Word

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


class Fold(Part):
    """Which samples tested a run whose seed chooses them: one fold of a partition of all samples."""

    repetition: Total  # number of the partition
    fold: Total
    folds: Size  # how many a partition has
    train_samples: Size  # that the network was trained on, so without those held out
    test: Word  # digest of the tested samples and their classes
