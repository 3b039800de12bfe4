"""The numbers that a report takes from a record, one row each: name, heading, unit, which way is better, accessor."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from bench.records.counts import Counts
from bench.records.record import RunRecord

Direction = Literal["↑", "↓", ""]

HIGHER: Direction = "↑"
LOWER: Direction = "↓"
NEITHER: Direction = ""


@dataclass(frozen=True)
class Quantity:
    """One number of a finished run. `value` returns it in `unit`, or None where the run did not measure it."""

    name: str  # as a column of data
    heading: str  # as a column for readers
    unit: str  # empty for counts and shares of 1
    direction: Direction  # which way is better
    value: Callable[[RunRecord], float | None]

    @property
    def titled(self) -> str:
        """The heading with its unit."""
        return f"{self.heading}, {self.unit}" if self.unit else self.heading

    @property
    def directed(self) -> str:
        """The heading with its unit and the arrow that says which way is better."""
        return f"{self.titled} {self.direction}".rstrip()


def _percent(fraction: float | None) -> float | None:
    return None if fraction is None else 100 * fraction


def _counted(take: Callable[[Counts], float | None]) -> Callable[[RunRecord], float | None]:
    return lambda record: None if (counts := record.counts) is None else take(counts)


def _clock(name: str) -> Callable[[RunRecord], float | None]:
    return lambda record: record.wall_clock.get(name)


ACCURACY = Quantity("accuracy_percent", "accuracy", "%", HIGHER, lambda record: _percent(record.accuracy_fraction))
BEST_ACCURACY = Quantity(
    "best_epoch_accuracy_percent", "best epoch", "%", HIGHER, lambda record: _percent(record.best_accuracy_fraction)
)
PARAMETERS = Quantity("parameters", "parameters", "", NEITHER, lambda record: record.parameters)
FIRING_RATE = Quantity("firing_rate", "firing rate", "", LOWER, _counted(lambda counts: counts.firing_rate))
DENSE_MACS = Quantity(
    "dense_macs_per_sample", "dense MACs per sample", "", NEITHER, _counted(lambda counts: counts.dense_macs_per_sample)
)
EFFECTIVE_SYNOPS = Quantity(
    "effective_synops_per_sample",
    "effective synops per sample",
    "",
    LOWER,
    _counted(lambda counts: counts.effective_synops_per_sample),
)
TRAINING_TIME = Quantity("train_s", "training", "s", NEITHER, _clock("train_s"))
IMAGES_PER_SECOND = Quantity("images_per_s", "images per s", "", NEITHER, _clock("images_per_s"))
PEAK_MEMORY = Quantity("peak_memory_bytes", "peak memory", "bytes", NEITHER, _clock("peak_memory_bytes"))

QUANTITIES = (
    *(ACCURACY, BEST_ACCURACY, PARAMETERS, FIRING_RATE, DENSE_MACS, EFFECTIVE_SYNOPS),
    *(TRAINING_TIME, IMAGES_PER_SECOND, PEAK_MEMORY),
)
