"""The verb `watch`: follow the runs that an earlier command handed to a cluster."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

import typer

from bench.commands.options import INTERRUPTED, TERMINATED, Suites, collect_seldom, err, load, out, runs_in_words

if TYPE_CHECKING:
    from bench.execute.plan import Todo
    from bench.execute.slurm.submissions import Task
    from bench.store.store import Store
    from bench.suite.load import Suite


def watch(suites: Suites) -> None:
    """Follow the runs that `run --on slurm` has submitted, to their end. Ctrl-C ends the watching, not the runs."""
    from bench.commands.progress import Board
    from bench.execute.engines.slurm import Slurm
    from bench.execute.interrupts import terminate_like_interrupt
    from bench.execute.plan import Settings
    from bench.execute.scheduler import Scheduler
    from bench.store.store import Store

    terminate_like_interrupt()
    collect_seldom()
    loaded, store = load(suites), Store()
    submitted = [(todo, task) for suite in loaded for todo, task in _submitted(suite, store)]
    if not submitted:
        out.print("nothing to watch: no run of this was submitted, or all that were are done")
        return
    settings = Settings(on="slurm")
    engine, todos = Slurm(_settings=settings), [todo for todo, _ in submitted]
    for _, task in submitted:
        engine.follow(task)
    out.print(f"{runs_in_words(len(todos))} submitted")
    with Board(out, todos, len(todos), oddities=lambda todo: store.oddities(todo.run)) as board:
        outcome = Scheduler(store, settings, engine, board, most_restarts=0).attend(todos)
    for line in outcome.failed:
        err.print(f"failed: {line}")
    if outcome.interrupted:
        again = f"spikebench watch {shlex.join(str(suite.path) for suite in loaded)}"
        out.print(f"{outcome.done} of {runs_in_words(len(todos))} done; the others go on in SLURM: {again}")
        raise typer.Exit(TERMINATED if outcome.terminated else INTERRUPTED)
    if outcome.failed:
        raise typer.Exit(1)


def _submitted(suite: Suite, store: Store) -> list[tuple[Todo, Task]]:
    """Return the runs of a suite that were submitted, without those that are done."""
    from bench.execute.plan import Todo
    from bench.execute.slurm.submissions import tasks
    from bench.store.store import State

    found = []
    for task in tasks(store.root / suite.name):
        run = task.job.planned()
        todo = Todo(suite, run, store.state(run), seen=task.job.seen)
        begun_afresh = store.folder(run).to_begin_afresh
        if todo.state is not State.DONE or begun_afresh:
            found.append((todo, task))
    return found
