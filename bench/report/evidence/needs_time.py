"""Which entries of a suite are tested without their time, and how: the comparisons that say whether a task needs it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from bench.suite.load import Suite
from bench.suite.run_spec import PlannedRun, on_frames


@dataclass(frozen=True)
class TimeTest:
    """An entry, and what is compared with it: the same networks on other frames, or those of its twin."""

    label: str  # of the entry
    without: str  # the label of the row without time
    how: Literal["shuffled", "merged", "space"]  # its frames; "space": another entry, trained with that gradient


def time_tests(suite: Suite) -> Iterator[TimeTest]:
    """Yield the tests of each entry: on other frames, then with the entry that differs in `train.gradient` alone."""
    runs = suite.select(seed=suite.spec.seeds[0])
    labels = {run.key: run.label for run in runs}
    twins: dict[str, list[str]] = {}
    for run in runs:
        if run.spec.train.gradient == "space":
            twins.setdefault(labels.get(_through_time(run), ""), []).append(run.label)
    for entry in suite.spec.entries:
        for frames in entry.tested:
            yield TimeTest(entry.label, on_frames(entry.label, frames), frames)
        for twin in twins.get(entry.label, ()):
            yield TimeTest(entry.label, twin, "space")


def _through_time(run: PlannedRun) -> str:
    """Return the key that a run would have, were its gradient to flow through time too."""
    train = run.spec.train.model_copy(update={"gradient": "time"})
    return run.spec.model_copy(update={"train": train}).key
