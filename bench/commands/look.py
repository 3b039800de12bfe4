"""The verbs that look and change nothing: `status`, `count`, `diagnose`, `check`, `list`."""

from __future__ import annotations

import shlex
from collections import Counter
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from bench.commands.columns import columns
from bench.commands.options import (
    Data,
    Entry,
    Listing,
    Offline,
    OneSuite,
    Suites,
    Trust,
    collect_seldom,
    err,
    load,
    out,
    runs_in_words,
    warn,
)
from bench.errors import BenchError


def status(suites: Suites) -> None:
    """Show which runs are done, stale, partial, corrupt, failed or missing, and what is known of them.

    In reports/, not in runs/: reports count the committed record as done; `run` trains it again.
    """
    from bench.execute.slurm.submissions import in_words
    from bench.store.store import Store

    store = Store()
    collect_seldom()
    for suite in load(suites):
        queued = in_words(store.root / suite.name)
        states = store.survey(suite)
        counted = Counter(state for _, state, _ in states)
        out.print(f"{suite.path}: {', '.join(f'{count} {state}' for state, count in sorted(counted.items()))}")
        rows = [
            (run.label, str(run.seed), run.key, str(state), "; ".join(filter(None, (queued.get(run.key), remark))))
            for run, state, remark in states
        ]
        header, *lines = columns([("entry", "seed", "key", "state", ""), *rows], (0, 4), out)
        out.print(header, style="table.header")
        out.print("\n".join(lines), soft_wrap=True)  # they are as wide as they should be


def count(
    suite: OneSuite,
    only: Entry,
    seed: Annotated[int | None, typer.Option(metavar="N", help="The seed (default: the first that is done).")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print the counts as JSON.")] = False,
) -> None:
    """Print what was counted, layer by layer, on a trained run."""
    from bench.report.formats.markdown import Markdown
    from bench.report.sections.counts_of_run import counts
    from bench.store.store import Store

    [loaded] = load([suite])
    wanted = {planned.key for planned in loaded.select(only, seed)}
    done = [record for record in Store().collect(loaded) if record.key in wanted and record.counts is not None]
    if not done:
        command = f"spikebench run {loaded.arguments} --only {shlex.quote(only)}"
        raise BenchError(f"{suite}: no finished run of '{only}'; train it with: {command}")
    first = min(done, key=lambda record: record.seed)
    out.print(first.counts.model_dump_json(indent=2) if json and first.counts else Markdown().blocks(counts(first)))


def diagnose(
    suite: OneSuite,
    only: Entry,
    seed: Annotated[
        int | None, typer.Option(metavar="N", help="The seed (default: the first that is trained).")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print everything as JSON, histograms too.")] = False,
    figure: Annotated[Path | None, typer.Option(metavar="PATH", help="Draw it too, as .png or .svg.")] = None,
    data: Data = Path("data"),
    offline: Offline = False,
    trust: Trust = False,
) -> None:
    """Print gradient through time, membrane, dead and saturated neurons of a trained run."""
    from bench.files.durable import atomic_write
    from bench.report.figures.endings import format_of
    from bench.report.formats.markdown import Markdown
    from bench.report.sections.diagnostics_of_run import diagnostics
    from bench.store.store import Store

    [loaded] = load([suite], trust)
    drawn_as = None if figure is None else format_of(figure)
    from bench.execute.trained import diagnose_trained

    planned, found = diagnose_trained(loaded, only, seed, Store(), data, offline)
    out.print(found.model_dump_json(indent=2) if json else Markdown().blocks(diagnostics(planned, found)))
    if figure is not None and drawn_as is not None:
        from bench.report.figures.panels import run_figure

        atomic_write(figure, run_figure(planned.label, found, drawn_as))
        err.print(f"{figure}")


def check(suites: Suites, trust: Trust = False) -> None:
    """Validate suites without running them: every problem at once."""
    from bench.commands.tune import check_tuning
    from bench.execute.plan import check_values, warnings_of

    loaded = load(suites, trust)
    check_values(loaded)
    warn(warnings_of(loaded))
    for suite in loaded:
        check_tuning(suite)
        out.print(f"{suite.path}: fine ({runs_in_words(len(suite.runs))})")
        for deviation in suite.spec.deviations:
            out.print(f"  deviates from the published recipe: {deviation}")


def list_(kind: Annotated[Listing, typer.Argument(help="What to list.")]) -> None:
    """List what a suite may name."""
    from bench.upkeep.listing import rows_of

    rows = rows_of(kind.value)
    table = Table(box=None, pad_edge=False)
    for column in ("name", "parameters", "what it is") if len(rows[0]) == 3 else ("name", "what it is"):
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*row)
    out.print(table, soft_wrap=not out.is_terminal)
