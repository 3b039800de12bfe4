"""Runs executed on this machine: one process each, several at once, one thread each on the CPU."""

from __future__ import annotations

import contextlib
import os
import queue
import signal
import subprocess
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import ValidationError

from bench.errors import BenchError, SuiteError
from bench.execute.events import Event, Job
from bench.execute.processes import last_words, start_worker
from bench.path import ExecutionPath
from bench.record import RunRecord
from bench.spec import PlannedRun
from bench.store import REPORTS, RUNS, RunFolder, State, Store, write_failure
from bench.suite import Suite

LOG_TAIL_LINES = 60
STOP_GRACE_S = 60.0  # a step of a large network on a CPU takes seconds, and the checkpoint some more


@dataclass(frozen=True)
class Settings:
    """How to execute; nothing here is an experimental setting."""

    device: str = "auto"  # "auto", "cpu", "cuda" or "cuda:1"
    jobs: int | None = None
    data: Path = Path("data")
    offline: bool = False
    path: ExecutionPath = "auto"
    profile: bool = False


@dataclass(frozen=True)
class Todo:
    """A run to execute, with the suite it belongs to and what the store knew about it."""

    suite: Suite
    run: PlannedRun
    state: State
    afresh: bool = False  # train from the start, whatever is there


@dataclass(frozen=True)
class Outcome:
    """How the executed runs ended."""

    done: int = 0
    failed: tuple[str, ...] = ()  # "LABEL seed N: why"
    interrupted: bool = False
    saved: int = 0  # runs that are not done and have a checkpoint to go on from
    killed: int = 0  # of the interrupted runs, those that did not end in time and keep an older checkpoint


Watcher = Callable[[Todo, Event], None]


def plan(
    suites: Sequence[Suite],
    store: Store,
    *,
    label: str | None = None,
    seed: int | None = None,
    force: bool = False,
    stale: bool = False,
) -> tuple[list[Todo], list[Todo]]:
    """Return (all selected runs, those to execute): what is not done; with `stale` stale ones too, with `force` all."""
    runs = {(run.suite, run.key): (suite, run) for suite in suites for run in suite.select(label, seed)}
    states = {key: store.state(run) for key, (_, run) in runs.items()}
    selected = [
        Todo(suite, run, states[key], afresh=force or states[key] in (State.DONE, State.STALE))
        for key, (suite, run) in runs.items()
    ]
    settled = set() if force else {State.DONE} if stale else {State.DONE, State.STALE}
    return selected, [todo for todo in selected if todo.state not in settled]


def resources(settings: Settings) -> tuple[list[str], int]:
    """Return the devices to use and how many runs to execute at once: one per GPU, or one per core that is ours.

    Raises BenchError for a device that is not there.
    """
    devices = _devices(settings.device)
    if settings.path == "graphed" and devices[0] == "cpu":
        raise BenchError("--path graphed: needs a CUDA device; on a CPU the fastest is --path fused")
    at_once = len(devices) if devices[0] != "cpu" else len(os.sched_getaffinity(0))
    return devices, settings.jobs or at_once


def execute(
    todos: Sequence[Todo], store: Store, settings: Settings, watch: Watcher = lambda todo, event: None
) -> Outcome:
    """Execute runs, each in its own process; a failed one leaves the others running.

    Raises SuiteError for parameter values that a constructor refuses, DataError for missing data, and BenchError for a
    device that is not there, all before the first process starts. On Ctrl-C every run writes its checkpoint first.
    """
    if not todos:
        return Outcome()
    devices, jobs = resources(settings)
    check_values(todo.suite for todo in todos)
    _prepare_data(todos, settings)
    pool = _Pool(store, settings, devices, jobs, watch)
    return pool.execute(todos)


def run_suite(suite: Suite, runs: str | Path = RUNS, data: str | Path = "data", **settings: object) -> list[RunRecord]:
    """Execute what is not done of a suite and return all its records (`device`, `jobs`, `offline` as in Settings).

    The library's form of `spikebench run`. A failed run is a record with status "failed".
    """
    store = Store(Path(runs))
    _, todos = plan([suite], store)
    execute(todos, store, Settings(data=Path(data), **settings))  # type: ignore[arg-type]
    return store.collect(suite, REPORTS)


def check_values(suites: Iterable[Suite]) -> None:
    """Construct every plug-in once, so that a wrong value shows before anything is trained.

    Raises SuiteError listing the values that a constructor refuses.
    """
    import torch

    from bench.run import assemble

    problems: dict[str, None] = {}
    for suite in {suite.path: suite for suite in suites}.values():
        for run in suite.select(seed=suite.spec.seeds[0]):
            try:
                with torch.device("meta"):
                    assemble(run.spec)
                    if run.measure.deploy is not None:
                        assemble(run.spec.model_copy(update={"neuron": run.measure.deploy}))
            except BenchError as error:
                problems[f"{suite.path}: entry '{run.label}': {error}"] = None
    if problems:
        raise SuiteError(list(problems))


def _prepare_data(todos: Sequence[Todo], settings: Settings) -> None:
    """Download or find each data set once, before several processes want it."""
    from bench.inputs import make_dataset

    wanted = {(todo.run.spec.dataset.model_dump_json(), todo.run.spec.timesteps): todo.run.spec for todo in todos}
    for spec in wanted.values():
        make_dataset(spec).prepare(settings.data, offline=settings.offline)


def _devices(wanted: str) -> list[str]:
    import torch

    available = [f"cuda:{index}" for index in range(torch.cuda.device_count())]
    if wanted == "cpu" or (wanted == "auto" and not available):
        return ["cpu"]
    if wanted in ("auto", "cuda") and available:
        return available
    if wanted in available:
        return [wanted]
    raise BenchError(f"--device {wanted}: no such device here; known: auto, cpu{''.join(', ' + d for d in available)}")


@dataclass
class _Running:
    todo: Todo
    process: subprocess.Popen[str]
    device: str
    last: Event | None = None
    reader: threading.Thread | None = None


@dataclass
class _Pool:
    store: Store
    settings: Settings
    devices: list[str]
    jobs: int
    watch: Watcher
    events: queue.SimpleQueue[tuple[_Running, Event | None]] = field(default_factory=queue.SimpleQueue)
    running: list[_Running] = field(default_factory=list)

    def execute(self, todos: Sequence[Todo]) -> Outcome:
        # The longest first, as far as timesteps tell, so that no long one is left alone at the end.
        waiting, done, failed = deque(sorted(todos, key=lambda todo: -todo.run.spec.timesteps)), 0, []
        try:
            while waiting or self.running:
                while waiting and len(self.running) < self.jobs:
                    self.running.append(self._start(waiting.popleft()))
                final = self._next_end()
                if final.last and final.last.kind == "done":
                    done += 1
                else:
                    failed.append(self._explain(final))
        except KeyboardInterrupt:
            killed = self._stop_all()
            saved = sum(self.store.state(todo.run) is State.PARTIAL for todo in todos)
            return Outcome(done, tuple(failed), interrupted=True, saved=saved, killed=killed)
        return Outcome(done, tuple(failed))

    def _start(self, todo: Todo) -> _Running:
        folder, run = self.store.folder(todo.run), todo.run
        device = min(self.devices, key=lambda name: sum(other.device == name for other in self.running))
        folder.make()
        folder.profile.unlink(missing_ok=True)
        if todo.afresh:
            _set_aside(folder)
        job = Job(
            suite=run.suite,
            label=run.label,
            seed=run.seed,
            spec=run.spec,
            measure=run.measure,
            folder=str(folder.path),
            data=str(self.settings.data),
            offline=True,  # the data is there: _prepare_data saw to it
            device=device,
            path=self.settings.path,
            profile=self.settings.profile,
        )
        with folder.log.open("a") as log:
            # Ctrl-C reaches this process, which then stops the workers in order.
            process = start_worker("bench.execute.worker", device, log, own_session=True)
        assert process.stdin
        with contextlib.suppress(BrokenPipeError):  # it died at once: its exit code and log say why
            process.stdin.write(job.model_dump_json() + "\n")
            process.stdin.flush()  # and left open: the worker ends when this process does
        running = _Running(todo, process, device)
        running.reader = threading.Thread(target=self._read, args=(running,), daemon=True)
        running.reader.start()
        return running

    def _read(self, running: _Running) -> None:
        assert running.process.stdout
        for line in running.process.stdout:
            try:
                event = Event.model_validate_json(line)
            except ValidationError:  # printed by a library before the worker could redirect it
                continue
            self.events.put((running, event))
        running.process.wait()
        running.process.stdout.close()
        if running.process.stdin:
            with contextlib.suppress(BrokenPipeError):
                running.process.stdin.close()
        self.events.put((running, None))

    def _next_end(self) -> _Running:
        while True:
            running, event = self.events.get()
            if event is None:
                self.running.remove(running)
                if running.last is None or running.last.kind == "progress":
                    running.last = Event(
                        kind="failed",
                        error=last_words(running.process.returncode, _tail(self.store.folder(running.todo.run))),
                    )
                    self.watch(running.todo, running.last)
                return running
            running.last = event
            self.watch(running.todo, event)

    def _explain(self, ended: _Running) -> str:
        assert ended.last
        folder = self.store.folder(ended.todo.run)
        if ended.last.kind == "failed":
            write_failure(folder, ended.last.error, _tail(folder))
        run = ended.todo.run
        return f"{run.label} seed {run.seed}: {ended.last.error or ended.last.kind}"

    def _stop_all(self) -> int:
        """Ask every worker to save and end; end by force those that do not, and return how many those were."""
        killed = 0
        for running in self.running:
            running.process.send_signal(signal.SIGTERM)
        deadline = time.monotonic() + STOP_GRACE_S
        for running in self.running:
            try:
                running.process.wait(max(0.1, deadline - time.monotonic()))
            except (subprocess.TimeoutExpired, KeyboardInterrupt):
                running.process.kill()
                running.process.wait()
                killed += 1
        return killed


def _set_aside(folder: RunFolder) -> None:
    """Start a finished run afresh, keeping its old record beside until the new one replaces it."""
    folder.checkpoint.unlink(missing_ok=True)
    if folder.record.exists():
        os.replace(folder.record, folder.path / "record.previous.json")


def _tail(folder: RunFolder) -> str:
    try:
        lines = folder.log.read_text("utf-8", errors="replace").splitlines()
    except OSError:
        return ""
    return "\n".join(lines[-LOG_TAIL_LINES:])
