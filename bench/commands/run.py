"""The verb `run`: train and measure what a suite asks for and the store does not have."""

from __future__ import annotations

import contextlib
import shlex
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bench.commands.options import (
    INTERRUPTED,
    TERMINATED,
    Data,
    Device,
    Jobs,
    Offline,
    On,
    Only,
    PerGpu,
    Seed,
    Suites,
    Trust,
    collect_seldom,
    err,
    load,
    out,
    runs_in_words,
)
from bench.errors import BenchError, RecordError
from bench.train.machine.path import ExecutionPath

if TYPE_CHECKING:
    from bench.execute.plan import Outcome, Settings, Todo
    from bench.store.store import Store
    from bench.suite.load import Suite


def run(
    suites: Suites,
    only: Only = None,
    seed: Seed = None,
    jobs: Jobs = None,
    device: Device = "auto",
    data: Data = Path("data"),
    offline: Offline = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the plan and stop.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Run again what is done.")] = False,
    stale: Annotated[
        bool, typer.Option("--stale", help="Run again what older code made; train only what changed.")
    ] = False,
    trust: Trust = False,
    on: On = "local",
    per_gpu: PerGpu = 1,
    path: Annotated[ExecutionPath, typer.Option(help="How steps are executed; numbers agree to rounding.")] = "auto",
    profile: Annotated[
        bool, typer.Option("--profile", help="Show where the time of a training step goes, and keep its trace.")
    ] = False,
    submit_only: Annotated[
        bool, typer.Option("--submit-only", help="Hand the runs to --on slurm and return; `watch` follows them.")
    ] = False,
    until_settled: Annotated[
        bool, typer.Option("--until-settled", help="Add seeds until every comparison is settled.")
    ] = False,
    most_seeds: Annotated[
        int | None, typer.Option("--most-seeds", min=3, metavar="N", help="With --until-settled: at most so many.")
    ] = None,
) -> None:
    """Train and measure what a suite asks for and the store does not have."""
    from bench.commands.settle import refuse_others, settle
    from bench.execute.interrupts import terminate_like_interrupt
    from bench.execute.plan import Settings, plan
    from bench.store.store import Store

    terminate_like_interrupt()
    settings = Settings(device, jobs, data, offline, path, profile, on, per_gpu)
    collect_seldom()
    loaded, store = load(suites, trust, [("engine", settings.engine)]), Store()

    def execute_planned(wanted: Sequence[Suite]) -> None:
        planned = plan(wanted, store, labels=only or (), seeds=seed or (), force=force, stale=stale)
        if submit_only and not dry_run:
            submit_todos(*planned, store, settings)
        else:
            execute_todos(*planned, store, settings, dry_run)

    if submit_only and until_settled:
        raise BenchError("--submit-only: somebody has to wait before seeds are added; leave --until-settled out")
    if until_settled or most_seeds is not None:
        refuse_others(until_settled, {"--only": only, "--seed": seed, "--force": force})
        settle(loaded, store, most_seeds, execute_planned, dry_run)
    else:
        execute_planned(loaded)


def execute_todos(
    selected: Sequence[Todo], todos: Sequence[Todo], store: Store, settings: Settings, dry_run: bool
) -> None:
    """Say what of the selected runs is to do, and do it unless `dry_run`; what was not done ends the command."""
    from bench.execute.interrupts import Terminated, interrupts_deferred
    from bench.execute.plan import Outcome
    from bench.store.store import State

    try:
        with interrupts_deferred():  # in the middle of a print or of an import it would end in anything but one line
            out.print(plan_in_words(selected, todos))
            print_reported(todos, store)
            if todos and not dry_run:
                import torch  # noqa: F401
        if dry_run or not todos:
            print_only(todos, settings.profile)
            return
        outcome = executed(todos, store, settings)
    except KeyboardInterrupt as asked:  # before the first process was there
        begun = sum(todo.state is State.PARTIAL for todo in todos)
        outcome = Outcome(interrupted=True, terminated=isinstance(asked, Terminated), saved=begun)
    if settings.profile:
        print_profiles(todos, store)
    end(outcome, len(todos))


def submit_todos(selected: Sequence[Todo], todos: Sequence[Todo], store: Store, settings: Settings) -> None:
    """Say what of the selected runs is to do, and hand it to an engine that goes on by itself."""
    from bench.commands.progress import Board
    from bench.execute.suites import submit

    out.print(plan_in_words(selected, todos))
    print_reported(todos, store)
    if not todos:
        return
    with Board(out, todos, len(todos)) as board:
        numbers = submit(todos, store, settings, board)
    suites = shlex.join(dict.fromkeys(str(todo.suite.path) for todo in todos))
    said = f"submitted as job {', '.join(numbers)}" if numbers else "nothing to submit"
    out.print(f"{said}; follow with: spikebench watch {suites}")


def plan_in_words(selected: Sequence[Todo], todos: Sequence[Todo]) -> str:
    """Say how many runs these are, what is settled, and what is to do, as in `12 runs: 3 done, 9 to do (1 partial)`."""
    from bench.store.store import State

    states = Counter(todo.state for todo in selected if todo not in todos)
    before = Counter(todo.state for todo in todos if todo.state in (State.PARTIAL, State.FAILED, State.CORRUPT))
    begun = f" ({', '.join(f'{count} {state}' for state, count in sorted(before.items()))})" if before else ""
    parts = [f"{states[state]} {state}" for state in (State.DONE, State.STALE) if states[state]]
    return f"{runs_in_words(len(selected))}: {', '.join([*parts, f'{len(todos)} to do{begun}'])}"


def print_reported(todos: Sequence[Todo], store: Store) -> None:
    """Say how many of the runs to do a report has already: `run` takes for done what this machine's store holds."""
    from bench.store.store import State

    reported = 0
    for suite in {todo.suite.path: todo.suite for todo in todos}.values():
        with contextlib.suppress(RecordError):  # of records that cannot be read, `report` says so
            keys = {run.key for run, state in store.standing(suite) if state is State.REPORTED}
            reported += sum(todo.run.suite == suite.name and todo.run.key in keys for todo in todos)
    if reported:
        out.print(f"{reported} of these {State.REPORTED}; trained here anew")


def print_only(todos: Sequence[Todo], profile: bool) -> None:
    """Print what would be executed, one line a run."""
    for todo in todos:
        out.print(f"{todo.run.suite}/{todo.run.label} seed {todo.run.seed}  {todo.run.key}  {todo.state}")
    if profile and not todos:
        out.print("nothing to profile: what is done is not trained again without --force")


def executed(todos: Sequence[Todo], store: Store, settings: Settings) -> Outcome:
    """Execute the runs, drawing how far they are."""
    from bench.commands.progress import Board
    from bench.execute.executor import open_engine
    from bench.execute.suites import execute

    engine = open_engine(settings)
    with Board(out, todos, engine.slots, oddities=lambda todo: store.oddities(todo.run)) as board:
        return execute(todos, store, settings, board, engine)


def print_profiles(todos: Sequence[Todo], store: Store) -> None:
    """Print where the time of each run's training steps went."""
    for todo in todos:
        table = store.folder(todo.run).profile
        if table.is_file():
            words = f"{todo.run.label} seed {todo.run.seed}: {table.with_suffix('.json')}"
            out.print(f"\n{words}\n{table.read_text('utf-8')}")


def end(outcome: Outcome, asked: int) -> None:
    """Say what of the runs that were `asked` for was not done, and end with the exit code for that."""
    for line in outcome.failed:
        err.print(f"failed: {line}")
    if outcome.interrupted:
        words = [f"{outcome.done} of {runs_in_words(asked)} done", f"{outcome.saved} saved part of the way"]
        words += [f"{outcome.killed} killed before saving"] if outcome.killed else []
        out.print(f"interrupted: {', '.join(words)}; the same command goes on")
        raise typer.Exit(TERMINATED if outcome.terminated else INTERRUPTED)
    if outcome.failed:
        raise typer.Exit(1)
