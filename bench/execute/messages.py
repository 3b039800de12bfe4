"""What goes to a worker and what it says, as data that any wire can carry: one JSON object a line. No torch."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict

from bench.errors import BenchError
from bench.store.folder import UNSEEN, Seen
from bench.suite.run_spec import PlannedRun, RunMeasure, RunSpec
from bench.train.machine.path import ExecutionPath


def path_to_text(path: Path) -> str:
    """Return a path as a wire carries it, whatever locale reads it. Raises BenchError where it is not UTF-8."""
    try:
        return os.fsencode(path).decode("utf-8")
    except UnicodeDecodeError:
        raise BenchError(f"{str(path)!r}: is not UTF-8; give the folder another name") from None


def path_of_text(text: str) -> Path:
    """Return the path that was made a text, as this process's locale has it."""
    return Path(os.fsdecode(text.encode("utf-8")))


class Job(BaseModel):
    """One run as it is sent to another process, perhaps on another host: all that it needs is in here.

    Of three descriptions of where a run works this is the one that travels. `Settings` is what the user asked for, for
    all runs of a command; a worker makes the `Place` of its one run from its job.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    suite: str
    label: str
    seed: int
    spec: RunSpec
    measure: RunMeasure
    folder: str
    data: str
    offline: bool  # its data is there already, or not to be downloaded
    device: str  # as asked for ("auto", "cuda"), until the engine gives it one of its own ("cpu", "cuda:1")
    path: ExecutionPath = "auto"
    profile: bool = False
    trust: tuple[str, ...] = ()  # modules from outside whose code may run there, and no others
    seen: Seen = UNSEEN  # the results in the run's folder when it was planned

    @property
    def key(self) -> str:
        """What names it among all jobs of a command: two suites may ask for the same run, each for its own folder."""
        return f"{self.suite}/{self.spec.key}"

    def planned(self) -> PlannedRun:
        """Return the run as the suite planned it."""
        return PlannedRun(self.suite, self.label, self.seed, self.spec, self.measure)


class Event(BaseModel):
    """What a worker says: progress and notes while it trains, then exactly one of the others."""

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
    memory_bytes: int = 0  # the most that the run has taken of its GPU
    device_bytes: int = 0  # what that GPU has
    error: str = ""  # why, or what the note says
    printed: str | None = None  # the end of its log, of a worker that died without a word: `error` is of the engine

    @property
    def final(self) -> bool:
        """Whether nothing comes after it."""
        return self.kind not in ("progress", "note")
