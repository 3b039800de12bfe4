"""Runs executed on this machine: one process each, several at once, one thread each on the CPU."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from bench.durable import make_folder
from bench.errors import BenchError, DataError, SuiteError
from bench.execute.pool import Outcome as Outcome
from bench.execute.pool import Pool, Watcher
from bench.execute.pool import Settings as Settings
from bench.execute.pool import Todo as Todo
from bench.lock import Lock
from bench.record import RunRecord
from bench.store import REPORTS, RUNS, State, Store
from bench.suite import Suite

DOWNLOAD_PATIENCE_S = 6 * 3600.0  # while another command downloads the same data


def plan(
    suites: Sequence[Suite],
    store: Store,
    *,
    label: str | None = None,
    seed: int | None = None,
    force: bool = False,
    stale: bool = False,
) -> tuple[list[Todo], list[Todo]]:
    """Return (all selected runs, those to execute): what is not done; with `stale` stale ones too, with `force` all.

    Where an earlier one of these was interrupted, what it left undone is to do, and what it has done is not done again.
    """
    runs = {(run.suite, run.key): (suite, run) for suite in suites for run in suite.select(label, seed)}
    seen = {}
    for key, (_, run) in runs.items():
        last = store.folder(run).last_result_ns  # before the state: what comes after it was not seen
        seen[key] = store.state(run), last
    force = force and not any(store.folder(run).is_begun_afresh for _, run in runs.values())
    selected, todos = [], []
    settled = set() if force else {State.DONE} if stale else {State.DONE, State.STALE}
    for key, (suite, run) in runs.items():
        state, last = seen[key]
        again = force or store.folder(run).to_begin_afresh
        selected.append(Todo(suite, run, state, again or state in (State.DONE, State.STALE), last))
        if again or state not in settled:
            todos.append(selected[-1])
    return selected, todos


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
    try:
        str(settings.data).encode()
    except UnicodeEncodeError:
        raise BenchError(f"--data {str(settings.data)!r}: is not UTF-8; give the folder another name") from None
    devices, jobs = resources(settings)
    check_values(todo.suite for todo in todos)
    _prepare_data(todos, settings)
    pool = Pool(store, settings, devices, jobs, watch)
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
    from bench.inputs import distinct_data, make_dataset

    for spec in distinct_data(todo.run.spec for todo in todos):
        dataset = make_dataset(spec)
        try:
            dataset.prepare(settings.data, offline=True)
        except DataError:
            if settings.offline:
                raise
            try:
                make_folder(settings.data)
            except OSError as error:
                raise DataError(f"{settings.data}: cannot be made: {error.strerror}") from None
            with Lock(settings.data / f".{spec.dataset.name.rpartition(':')[2]}.lock", DOWNLOAD_PATIENCE_S):
                dataset.prepare(settings.data, offline=False)


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
