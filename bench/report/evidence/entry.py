"""An entry of a suite with its planned runs, and what is known of each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from bench.records.correct import unpack_correct
from bench.records.counts import Counts
from bench.records.health import STATES, Health, health_of
from bench.records.record import RunRecord
from bench.records.source import Fold
from bench.report.evidence.statistics import Summary, summarise, summarise_complete
from bench.suite.run_spec import PlannedRun
from bench.suite.spec import EntrySpec


@dataclass(frozen=True)
class Slot:
    """One planned run and what is known of it: a record, or the reason why there is nothing to use."""

    run: PlannedRun
    record: RunRecord | None
    reason: str | None
    trained: RunRecord | None = None  # the record of the training, where this one only has its weights

    @cached_property
    def health(self) -> Health:
        """What is wrong with a finished run; nothing of any other."""
        return Health({}) if self.done is None else health_of(self.done, self.trained)

    @property
    def status(self) -> str:
        """`done`, `failed` or `missing`."""
        return "missing" if self.record is None else self.record.status

    @property
    def done(self) -> RunRecord | None:
        """The record of a finished run, None for any other."""
        return self.record if self.reason is None else None


@dataclass(frozen=True)
class Entry:
    """An entry of the suite with its planned runs, in the order of the seeds."""

    spec: EntrySpec
    slots: tuple[Slot, ...]
    trained_as: str | None = None  # the entry whose weights these are, where this one deploys them
    # What was summarised, kept: sections ask for the same numbers.
    _summaries: dict[Callable[[RunRecord], float | None], Summary] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    @property
    def label(self) -> str:
        """The entry's label as written."""
        return self.spec.label

    @cached_property
    def done(self) -> list[RunRecord]:
        """The records of its finished runs."""
        return [slot.done for slot in self.slots if slot.done is not None]

    @cached_property
    def sound(self) -> bool:
        """Whether none of its finished runs diverged, is dead or at chance: else its energy is no advantage."""
        return all(slot.health.state is None for slot in self.slots)

    @property
    def state(self) -> str:
        """The states of its finished runs, as `dead` or `1 of 3 diverged, 2 of 3 at chance`; empty when it is sound."""
        found, n = Counter(slot.health.state for slot in self.slots), len(self.done)
        return ", ".join(
            state if found[state] == n else f"{found[state]} of {n} {state}" for state in STATES if found[state]
        )

    @cached_property
    def counts(self) -> dict[int, Counts]:
        """What was counted in each finished run, by seed."""
        return {record.seed: counts for record in self.done if (counts := record.counts) is not None}

    @cached_property
    def correct(self) -> dict[int, NDArray[np.bool_]]:
        """Which test samples each finished run got right in its last epoch, [N] by seed."""
        return {
            slot.run.seed: unpack_correct(slot.done.correct, slot.done.test_samples)
            for slot in self.slots
            if slot.done is not None and slot.done.correct is not None and slot.done.test_samples is not None
        }

    def correct_on(self, frames: str) -> dict[int, NDArray[np.bool_]]:
        """The same where its networks are tested on shuffled or merged frames."""
        return {
            slot.run.seed: unpack_correct(tested.correct, tested.test_samples)
            for slot in self.slots
            if slot.done is not None
            for tested in slot.done.tested
            if tested.frames == frames
        }

    @property
    def folds(self) -> dict[int, Fold]:
        """The fold that tested each finished run, by seed, where the seed chooses it."""
        return {slot.run.seed: slot.done.fold for slot in self.slots if slot.done is not None and slot.done.fold}

    @cached_property
    def spikes(self) -> bool:
        """Whether some neuron of its finished runs spikes."""
        return any(count.spiking for record in self.done for count in record.neurons)

    @cached_property
    def mean_accuracy(self) -> float:
        """Mean share of the test samples that its finished runs got right; 0 where none has."""
        return float(np.mean([right.mean() for right in self.correct.values()])) if self.correct else 0.0

    def at_timestep(self, index: int) -> Summary:
        """Summarise accuracy in percent after `index + 1` timesteps over the finished runs."""
        each = (record.accuracy_by_timestep for record in self.done)
        return summarise([100 * accuracies[index] for accuracies in each if index < len(accuracies)])

    def summary(self, value: Callable[[RunRecord], float | None]) -> Summary:
        """Summarise a number over the finished runs; none at all where a run does not have it."""
        if value not in self._summaries:
            self._summaries[value] = summarise_complete([value(record) for record in self.done])
        return self._summaries[value]
