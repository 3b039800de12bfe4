"""The verb `run`: train and measure what a suite asks for and the store does not have."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Annotated

import typer

from bench.commands.options import INTERRUPTED, TERMINATED, Suites, Trust, load, out, runs_in_words
from bench.train.machine.path import ExecutionPath


def run(
    suites: Suites,
    only: Annotated[str | None, typer.Option(metavar="LABEL", help="Only this entry.")] = None,
    seed: Annotated[int | None, typer.Option(metavar="N", help="Only this seed.")] = None,
    jobs: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Runs at once (default: one per GPU, else per core).")
    ] = None,
    device: Annotated[str, typer.Option(metavar="auto|cpu|cuda[:i]", help="Where to train.")] = "auto",
    data: Annotated[Path, typer.Option(envvar="SPIKEBENCH_DATA", metavar="DIR", help="Data folder.")] = Path("data"),
    offline: Annotated[bool, typer.Option("--offline", help="Never download.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the plan and stop.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Run again what is done.")] = False,
    stale: Annotated[bool, typer.Option("--stale", help="Run again what older code made.")] = False,
    trust: Trust = False,
    path: Annotated[ExecutionPath, typer.Option(help="How steps are executed; numbers agree to rounding.")] = "auto",
    profile: Annotated[
        bool, typer.Option("--profile", help="Show where the time of a training step goes, and keep its trace.")
    ] = False,
) -> None:
    """Train and measure what a suite asks for and the store does not have."""
    from bench.execute.interrupts import Terminated, interrupts_deferred, terminate_like_interrupt
    from bench.execute.plan import Outcome, Settings, plan, resources
    from bench.execute.suites import execute
    from bench.store.store import State, Store

    terminate_like_interrupt()
    loaded, store = load(suites, trust), Store()
    selected, todos = plan(loaded, store, label=only, seed=seed, force=force, stale=stale)
    states = Counter(todo.state for todo in selected if todo not in todos)
    before = Counter(todo.state for todo in todos if todo.state in (State.PARTIAL, State.FAILED, State.CORRUPT))
    begun = f" ({', '.join(f'{count} {state}' for state, count in sorted(before.items()))})" if before else ""
    parts = [f"{states[state]} {state}" for state in (State.DONE, State.STALE) if states[state]]
    settings = Settings(device=device, jobs=jobs, data=data, offline=offline, path=path, profile=profile)
    try:
        with interrupts_deferred():  # in the middle of a print or of an import it would end in anything but one line
            out.print(f"{runs_in_words(len(selected))}: {', '.join([*parts, f'{len(todos)} to do{begun}'])}")
            if todos and not dry_run:
                import torch  # noqa: F401
        if dry_run:
            for todo in todos:
                out.print(f"{todo.run.suite}/{todo.run.label} seed {todo.run.seed}  {todo.run.key}  {todo.state}")
        if dry_run or not todos:
            if profile and not todos:
                out.print("nothing to profile: what is done is not trained again without --force")
            return
        from bench.commands.progress import Board

        with Board(out, todos, resources(settings)[1]) as board:
            outcome = execute(todos, store, settings, board)
    except KeyboardInterrupt as asked:  # before the first process was there
        outcome = Outcome(interrupted=True, terminated=isinstance(asked, Terminated), saved=before[State.PARTIAL])
    tables = [(todo.run, store.folder(todo.run).profile) for todo in todos if profile]
    for planned, table in tables:
        if table.is_file():
            out.print(
                f"\n{planned.label} seed {planned.seed}: {table.with_suffix('.json')}\n{table.read_text('utf-8')}"
            )
    for line in outcome.failed:
        typer.echo(f"failed: {line}", err=True)
    if outcome.interrupted:
        words = [f"{outcome.done} of {runs_in_words(len(todos))} done", f"{outcome.saved} saved part of the way"]
        words += [f"{outcome.killed} killed before saving"] if outcome.killed else []
        out.print(f"interrupted: {', '.join(words)}; the same command goes on")
        raise typer.Exit(TERMINATED if outcome.terminated else INTERRUPTED)
    if outcome.failed:
        raise typer.Exit(1)
