"""Suites executed: plan, engine, records."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from bench.errors import BenchError
from bench.execute.plan import Outcome, Settings, Todo, Watcher, check_values, plan, prepare_data, resources
from bench.execute.scheduler import Pool
from bench.records.record import RunRecord
from bench.store.store import REPORTS, RUNS, Store
from bench.suite.load import Suite


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
    prepare_data(todos, settings)
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
