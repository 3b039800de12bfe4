"""How long a campaign takes on any number of workers, before it begins: from measured runs or steps, by simulation."""

from __future__ import annotations

import heapq
import json
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.errors import BenchError
from bench.execute.workload import samples_of, work_of
from bench.records.record import RunRecord
from bench.suite.run_spec import PlannedRun, RunSpec

# A sample of the test split is a forward pass; in training a backward pass of twice its operations comes with it.
TEST_SHARE = 1 / 3


@dataclass(frozen=True)
class Duration:
    """How long one run takes on a worker of its own, and where that is known from."""

    run: PlannedRun
    seconds: float
    source: str


@dataclass(frozen=True)
class Schedule:
    """What came of a simulation: all runs on so many workers, each free one taking the longest that is left."""

    workers: int
    makespan_s: float
    busy_s: float
    last: Duration  # the run that ends last

    @property
    def utilisation_fraction(self) -> float:
        """Which share of the time until the end the workers work."""
        return self.busy_s / (self.workers * self.makespan_s) if self.makespan_s else 1.0

    @property
    def worker_hours(self) -> float:
        """What is paid for where all workers are had until the end; of GPUs, GPU-hours."""
        return self.workers * self.makespan_s / 3600


def simulated(durations: Sequence[Duration], workers: int, start_s: float = 0.0) -> Schedule:
    """Return the schedule of runs on workers of one kind, begun as `run` begins them: the most dense MACs first.

    start_s: what the engine takes to start a run.
    """
    order = sorted(durations, key=lambda each: -work_of(each.run.spec))
    free = [0.0] * min(workers, len(order))
    ends: list[tuple[float, Duration]] = []
    for each in order:
        end = heapq.heappop(free) + start_s + each.seconds
        heapq.heappush(free, end)
        ends.append((end, each))
    makespan, last = max(ends, key=lambda end: end[0])
    return Schedule(workers, makespan, sum(each.seconds for each in durations) + start_s * len(order), last)


def most_useful_workers(durations: Sequence[Duration]) -> int:
    """Return the number of workers from which on the longest run alone decides when all is done."""
    longest = max(each.seconds for each in durations)
    low, high = 1, len(durations)
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if simulated(durations, middle).makespan_s <= longest else (middle + 1, high)
    return low


def durations_of(
    runs: Sequence[PlannedRun], records: Sequence[RunRecord], rates: Mapping[str, float] | None = None
) -> list[Duration]:
    """Return how long each run takes.

    records: finished runs, whose time that of the same entry is.  rates: images/s in training by key without seed, as
    `read_rates` has them, which come first. An entry without either is taken to do as many MACs/s as the slowest of
    those that have.

    Raises BenchError where nothing is known of any.
    """
    known: dict[str, list[float]] = {}
    for record in records:
        if record.status == "done" and (seconds := seconds_taken(record)) is not None:
            known.setdefault(seedless(RunSpec.model_validate(record.spec)), []).append(seconds)
    found: list[Duration | None] = []
    for run in runs:
        kind = seedless(run.spec)
        if rates and kind in rates:
            found.append(Duration(run, _by_rate(run.spec, rates[kind]), "measured steps"))
        elif kind in known:
            runs_ = f"{len(known[kind])} finished run{'s' if len(known[kind]) > 1 else ''}"
            found.append(Duration(run, statistics.fmean(known[kind]), runs_))
        else:
            found.append(None)
    speeds = [work_of(each.run.spec) / each.seconds for each in found if each is not None and each.seconds > 0]
    if not speeds:
        raise BenchError(
            "no run of these has been timed: measure steps with `spikebench speed SUITE --json FILE` and give that "
            "file, --images-per-s FILE, or run one seed first"
        )
    slowest = min(speeds)
    return [
        each or Duration(run, work_of(run.spec) / slowest, "its MACs, at the slowest rate of the others")
        for run, each in zip(runs, found, strict=True)
    ]


def seedless(spec: RunSpec) -> str:
    """Return what names a run but for its seed."""
    return spec.model_copy(update={"seed": 0}).key


def seconds_taken(record: RunRecord) -> float | None:
    """Return how long a run took, training and measuring; None where its record does not say.

    Its processor time, where that is more, has what lies between; it has less where it was measured again by itself.
    """
    clock = record.wall_clock
    parts = [clock.get(name) for name in ("train_s", "measure_s")]
    if not all(isinstance(part, int | float) for part in parts):
        return None
    process = clock.get("process_s")
    whole = sum(float(part) for part in parts if isinstance(part, int | float))
    return max(whole, float(process)) if isinstance(process, int | float) else whole


def _by_rate(spec: RunSpec, images_per_s: float) -> float:
    train, test = samples_of(spec)
    return spec.train.epochs * (train + TEST_SHARE * test) / images_per_s


def read_rates(path: Path) -> dict[str, float]:
    """Return images/s in training, by key without seed, from what `spikebench speed --json` wrote.

    Raises BenchError where the file is none of those.
    """
    try:
        found: Any = json.loads(path.read_text("utf-8"))
        entries = [entry for entry in found["entries"] if str(entry["neurons"]) == "spikebench"]
        return {seedless(RunSpec.model_validate(entry["spec"])): float(entry["images_per_s"]) for entry in entries}
    except OSError as error:
        raise BenchError(f"--images-per-s {path}: cannot be read: {error.strerror}") from None
    except (ValueError, LookupError, TypeError, RecursionError):
        raise BenchError(f"--images-per-s {path}: is not what `spikebench speed SUITE --json FILE` writes") from None
