"""Records laid beside the runs that a suite asks for: every planned run is there, finished or not."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from bench.records.record import RunRecord
from bench.records.source import Fold
from bench.report.evidence.crossed import Correct, Difference, difference
from bench.report.evidence.deployed import deployed_record
from bench.report.evidence.entry import Entry, Slot
from bench.report.evidence.looked_at import looked_at
from bench.report.evidence.needs_time import time_tests
from bench.report.evidence.resampled import resampled_difference, shared_folds
from bench.suite.load import Suite
from bench.suite.run_spec import PlannedRun, on_frames

Pair = tuple[str, str]  # of labels, the first minus the second

NOT_RUN = "not run"

OTHERWISE_MEASURED = "measured otherwise than the suite asks now; run the suite to measure it again"


@dataclass(frozen=True)
class Comparison:
    """A suite and its records, entry by entry: what every section of a report is made from."""

    suite: Suite
    entries: tuple[Entry, ...]

    @property
    def share(self) -> float:
        """The share of the chance of a false claim that this look may spend; 1 where no seeds are added."""
        return self.suite.looks.share(len(self.suite.spec.seeds))

    @property
    def resampled(self) -> bool:
        """Whether each seed has a test split of its own."""
        return self.suite.spec.dataset.test_split == "folds"

    @property
    def overlap(self) -> float:
        """Test samples per training sample of the finished runs where seeds share training samples; else 0."""
        found = [record for entry in self.trained for record in entry.done if record.fold and record.test_samples]
        train = sum(record.fold.train_samples for record in found if record.fold)
        return sum(record.test_samples or 0 for record in found) / train if train else 0.0

    @property
    def trained(self) -> list[Entry]:
        """The entries with a training of their own, as the suite lists them."""
        return [entry for entry in self.entries if entry.trained_as is None]

    @cached_property
    def baseline(self) -> Entry:
        """The entry that the others are compared with."""
        return next(entry for entry in self.entries if entry.label == self.suite.spec.baseline)

    @property
    def records(self) -> list[RunRecord]:
        """The suite's own records, done and failed, by entry and seed."""
        return [slot.record for entry in self.trained for slot in entry.slots if slot.record is not None]

    @property
    def others(self) -> list[Entry]:
        """All entries but the baseline."""
        return [entry for entry in self.entries if entry is not self.baseline]

    @cached_property
    def contrasts(self) -> dict[Pair, Difference]:
        """Accuracy of one entry minus another's, for every comparison that the suite decides: by both labels.

        That is each other entry with the baseline, what the suite names, and an entry tested without its time with
        itself; corrected for their number, whether their runs have finished or not.
        """
        return {(one, other): self._difference(one, other, self.decided) for one, other in self._contrasted}

    @cached_property
    def interactions(self) -> dict[tuple[Pair, Pair], Difference]:
        """The difference between one pair of entries minus that between another, for those that the suite decides."""
        return {(one, other): self._difference(one, other, self.decided) for one, other in self._interacting}

    @property
    def questions(self) -> list[tuple[str, Difference]]:
        """Every comparison that the suite decides and its name: `A - B`, then `(A - B) - (C - D)` of interactions."""
        return [(_name(pair), found) for pair, found in self.contrasts.items()] + [
            (f"({_name(one)}) - ({_name(other)})", found) for (one, other), found in self.interactions.items()
        ]

    @property
    def decided(self) -> int:
        """How many comparisons the suite decides, for which each is corrected."""
        return len(self._contrasted) + len(self._interacting)

    @cached_property
    def _contrasted(self) -> list[Pair]:
        known = self.correct
        wanted = dict.fromkeys((entry.label, self.baseline.label) for entry in self.others)
        named = [(one, other) for one, other in self.suite.spec.contrasts if one in known and other in known]
        for one, other in [*named, *((each.without, each.label) for each in time_tests(self.suite))]:
            if (other, one) not in wanted:
                wanted[one, other] = None
        return list(wanted)

    @cached_property
    def _interacting(self) -> list[tuple[Pair, Pair]]:
        named = [((a, b), (c, d)) for (a, b), (c, d) in self.suite.spec.interactions]
        return [(one, other) for one, other in named if {*one, *other} <= self.correct.keys()]

    @cached_property
    def correct(self) -> dict[str, dict[int, NDArray[np.bool_]]]:
        """Which test samples were got right, [N] by label and seed: of each entry, and of each on other frames."""
        return {entry.label: entry.correct for entry in self.entries} | {
            label: entry.correct_on(frames) for label, (entry, frames) in self._on_frames.items()
        }

    @cached_property
    def _on_frames(self) -> dict[str, tuple[Entry, str]]:
        """The entries whose networks are tested on other frames too, and which, by the label of that."""
        return {
            on_frames(entry.label, frames): (entry, frames) for entry in self.trained for frames in entry.spec.tested
        }

    def contrast(self, one: str, other: str) -> Difference:
        """Return one of the contrasts, whichever of the two stands first there."""
        found = self.contrasts.get((one, other))
        return found or self.contrasts[other, one].reversed

    @property
    def differences(self) -> dict[str, Difference]:
        """The contrasts with the baseline, by the label of the other entry."""
        return {one: found for (one, other), found in self.contrasts.items() if other == self.baseline.label}

    @cached_property
    def pairs(self) -> dict[Pair, Difference]:
        """Accuracy of one entry minus a later one's for all pairs of finished entries.

        Corrected for the number of all pairs, finished or not, so that no pair is told apart more easily than as a
        contrast.
        """
        count = max(math.comb(len(self.entries), 2), self.decided)
        found = list(itertools.combinations([entry for entry in self.entries if entry.correct], 2))
        return {(one.label, other.label): self._difference(one.label, other.label, count) for one, other in found}

    def _difference(self, one: str | Pair, other: str | Pair, comparisons: int) -> Difference:
        """Compare two of `correct` by label, or two pairs of them, by the analysis that their test samples allow."""
        first, second, size = self._correct_of(one), self._correct_of(other), 1 if isinstance(one, str) else 2
        if not self.resampled:
            return difference(first, second, comparisons, self.share, size)
        folds = shared_folds(self._folds_of(one), self._folds_of(other))
        return resampled_difference(first, second, folds, comparisons, self.share, size)

    def _correct_of(self, which: str | Pair) -> Correct:
        if isinstance(which, str):
            return self.correct[which]
        one, other = (self.correct[label] for label in which)
        both = [seed for seed in one if seed in other and one[seed].shape == other[seed].shape]
        return {seed: one[seed].astype(np.int64) - other[seed] for seed in both}

    def _folds_of(self, which: str | Pair) -> dict[int, Fold]:
        if not isinstance(which, str):
            one, other = map(self._folds_of, which)
            return shared_folds(one, other)
        tested = {entry.label: entry.folds for entry in self.entries}
        return (tested | {label: entry.folds for label, (entry, _) in self._on_frames.items()})[which]

    def between(self, one: Entry, other: Entry) -> Difference:
        """Return the accuracy of one entry minus another's, corrected for the number of all pairs."""
        found = self.pairs.get((one.label, other.label))
        return found or self.pairs[other.label, one.label].reversed


def _name(pair: Pair) -> str:
    one, other = pair
    return f"{one} - {other}"


def compare(suite: Suite, records: Sequence[RunRecord]) -> Comparison:
    """Lay `records` beside the runs of `suite`, in the suite's order whatever the order of the records.

    Of a suite to which seeds are added, as many as the last look had that has a record of every run.
    """
    suite = looked_at(suite, records)
    slots, entries = select(suite, records), []
    for spec in suite.spec.entries:
        trained = Entry(spec, tuple(slot for slot in slots if slot.run.label == spec.label))
        entries += [trained, *_deployed(trained)]
    return Comparison(suite, tuple(entries))


def _deployed(entry: Entry) -> list[Entry]:
    """Return the row of the neuron that an entry deploys, where it does."""
    if entry.spec.deploy is None:
        return []
    label, neuron = entry.spec.deployed_label, entry.spec.deploy
    spec = entry.spec.model_copy(update={"label": label, "neuron": neuron, "deploy": None, "tested": []})
    slots = tuple(
        Slot(replace(slot.run, label=label), deployed_record(slot.record, label), slot.reason, slot.record)
        for slot in entry.slots
    )
    return [Entry(spec, slots, trained_as=entry.label)]


def select(suite: Suite, records: Sequence[RunRecord]) -> tuple[Slot, ...]:
    """Return one slot for each planned run, holding the record with its key; other records are ignored."""
    by_key: dict[str, list[RunRecord]] = {}
    for record in records:
        by_key.setdefault(record.key, []).append(record)
    return tuple(_slot(run, by_key.get(run.key, [])) for run in suite.runs)


def held(suite: Suite, records: Sequence[RunRecord]) -> list[RunRecord]:
    """Return the records that a report of `suite` keeps, by entry and seed; what was measured otherwise is left out."""
    return [slot.record for slot in select(looked_at(suite, records), records) if slot.record is not None]


def _slot(run: PlannedRun, records: Sequence[RunRecord]) -> Slot:
    done = [record for record in records if record.status == "done"]
    usable = [record for record in done if record.measure_key == run.measure_key]
    if usable:
        return Slot(run, _first(usable), None)
    failed = [record for record in records if record.status == "failed"]
    if failed:
        record = _first(failed)
        return Slot(run, record, (record.error or "no reason recorded").strip().partition("\n")[0])
    return Slot(run, None, OTHERWISE_MEASURED if done else NOT_RUN)


def _first(records: Sequence[RunRecord]) -> RunRecord:
    """Return the same one of several records, in whatever order they come."""
    return records[0] if len(records) == 1 else min(records, key=RunRecord.to_json)
