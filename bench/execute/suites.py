"""Suites executed: plan, engine, records. The library's main verb."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import TypedDict, Unpack

from bench.errors import BenchError
from bench.execute.executor import Executor, Remembering, open_engine
from bench.execute.messages import path_to_text
from bench.execute.plan import (
    Observer,
    Outcome,
    Settings,
    Todo,
    check_place,
    check_values,
    plan,
    prepare_data,
    warnings_of,
)
from bench.execute.scheduler import Scheduler
from bench.records.record import RunRecord
from bench.store.store import REPORTS, RUNS, Store
from bench.suite.load import Suite
from bench.train.machine.path import ExecutionPath

_log = logging.getLogger(__name__)


def execute(
    todos: Sequence[Todo],
    store: Store,
    settings: Settings,
    observe: Observer = lambda todo, event: None,
    engine: Executor | None = None,
) -> Outcome:
    """Execute runs, each in its own process; a failed one leaves the others running.

    engine: that of the settings, where it is open already. Raises SuiteError for parameter values that a constructor
    refuses, DataError for missing data, and BenchError for a device that is not there, all before the first process
    starts. On Ctrl-C every run writes its checkpoint first.
    """
    if not todos:
        return Outcome()
    engine = engine or open_engine(settings)
    check(todos, settings)
    scheduler = Scheduler(store, settings, engine, observe)
    if isinstance(engine, Remembering):
        scheduler.most_restarts = engine.most_restarts
    return scheduler.execute(todos)


def submit(todos: Sequence[Todo], store: Store, settings: Settings, observe: Observer) -> list[str]:
    """Hand runs over to an engine that goes on without this command, and return what they are called there.

    Raises BenchError for an engine that does not, and whatever `execute` does.
    """
    engine = open_engine(settings)
    if not isinstance(engine, Remembering):
        raise BenchError(f"--submit-only: '{settings.on}' ends with its command; it is for --on slurm[:FILE]")
    check(todos, settings)
    Scheduler(store, settings, engine, observe).hand_over(todos)
    return list(engine.submit())


def check(todos: Sequence[Todo], settings: Settings) -> None:
    """Check values, place and data before anything starts; see `execute` for what it raises."""
    path_to_text(settings.data)  # or it is refused before anything is looked for
    check_values(todo.suite for todo in todos)
    check_place((todo.run for todo in todos), settings)
    for warning in warnings_of(todo.suite for todo in todos):
        _log.warning("warning: %s", warning)
    prepare_data(todos, settings)


class How(TypedDict, total=False):
    """How `run_suite` executes, as `Settings` says it and has it by default."""

    device: str
    jobs: int | None
    offline: bool
    path: ExecutionPath
    on: str


def run_suite(
    suite: Suite,
    runs: str | Path = RUNS,
    data: str | Path = "data",
    **how: Unpack[How],
) -> list[RunRecord]:
    """Execute what is not done of a suite and return all its records.

    The library's form of `spikebench run`. A failed run is a record with status "failed". device: "auto", "cpu", "cuda"
    or "cuda:1".  jobs: at once, by default one per GPU, else per core.  offline: never download.  path: how steps are
    executed; numbers agree to rounding.  on: where runs are executed, by default "local".
    """
    store = Store(Path(runs))
    _, todos = plan([suite], store)
    execute(todos, store, Settings(data=Path(data), **how))
    return store.collect(suite, REPORTS)
