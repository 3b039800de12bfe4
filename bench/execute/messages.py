"""What a running process says to whoever started it: one JSON object a line. No torch."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

from bench.suite.run_spec import PlannedRun, RunMeasure, RunSpec
from bench.train.machine.path import ExecutionPath


class Job(BaseModel):
    """All that a worker process needs to execute one run."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    suite: str
    label: str
    seed: int
    spec: RunSpec
    measure: RunMeasure
    folder: str
    data: str
    offline: bool
    device: str
    path: ExecutionPath = "auto"
    profile: bool = False
    last_result_ns: int | None = None  # when the run's folder last got a record or a failure, as planned

    def planned(self) -> PlannedRun:
        """Return the run as the suite planned it."""
        return PlannedRun(self.suite, self.label, self.seed, self.spec, self.measure)


class Event(BaseModel):
    """One line from a worker: progress and notes while it trains, then exactly one of the others."""

    model_config = ConfigDict(extra="forbid", frozen=True, ser_json_inf_nan="strings")

    kind: Literal["progress", "note", "done", "failed", "interrupted", "busy"]
    epoch: int = 0
    epochs: int = 0
    step: int = 0
    steps: int = 0
    loss: float = 0.0
    accuracy_fraction: float = 0.0
    images_per_s: float = 0.0
    seconds_left: float = 0.0
    error: str = ""  # why, or what the note says

    @property
    def final(self) -> bool:
        """Whether nothing comes after it."""
        return self.kind not in ("progress", "note")
