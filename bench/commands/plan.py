"""The verb `plan`: how long a campaign takes on any number of workers, before it begins."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bench.commands.estimate import duration
from bench.commands.options import On, Only, Seed, Suites, Trust, collect_seldom, load, out, runs_in_words

if TYPE_CHECKING:
    from bench.execute.campaign import Duration, Schedule
    from bench.records.record import RunRecord
    from bench.store.store import Store
    from bench.suite.load import Suite
    from bench.suite.run_spec import PlannedRun


def plan(
    suites: Suites,
    only: Only = None,
    seed: Seed = None,
    on: On = "local",
    workers: Annotated[
        list[int] | None,
        typer.Option(min=1, metavar="N", help="Runs at once: a core or a GPU each; may be repeated (default: 1)."),
    ] = None,
    images_per_s: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Steps as `spikebench speed --json FILE` has measured them.")
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="Also what is done.")] = False,
    trust: Trust = False,
) -> None:
    """Predict how long runs take on any number of workers, from measured steps or from runs that are done."""
    from bench.execute.campaign import durations_of, read_rates, simulated
    from bench.execute.plan import engine_and_place
    from bench.execute.plan import plan as planned
    from bench.plugins import registry
    from bench.store.store import Store

    engine, _ = engine_and_place(on)
    collect_seldom()
    loaded, store = load(suites, trust, [("engine", engine)]), Store()
    rates = None if images_per_s is None else read_rates(images_per_s)
    start_s = float(getattr(registry.find("engine", engine).load(), "start_s", 0.0))
    selected, todos = planned(loaded, store, labels=only or (), seeds=seed or ())
    runs = [todo.run for todo in (selected if everything else todos)]
    if not runs:
        out.print(f"{runs_in_words(len(selected))}: nothing to do; --all plans what is done too")
        return
    durations = durations_of(runs, _records(loaded, store), rates)
    out.print(_entries(durations))
    schedules = [simulated(durations, each, start_s) for each in dict.fromkeys(workers or [1])]
    out.print(_schedules(schedules))
    out.print(_bounds(durations))


def _records(suites: Sequence[Suite], store: Store) -> list[RunRecord]:
    return [record for suite in suites for record in store.collect(suite)]


def _entries(durations: Sequence[Duration]) -> str:
    from bench.report.formats.document import Table
    from bench.report.formats.inline import Inline, Said
    from bench.report.formats.markdown import Markdown

    kinds: dict[tuple[str, str], list[Duration]] = {}
    for each in durations:
        kinds.setdefault((each.run.suite, each.run.label), []).append(each)
    rows: list[list[Inline]] = [
        [Said(suite), Said(label), str(len(found)), duration(max(each.seconds for each in found)), found[0].source]
        for (suite, label), found in kinds.items()
    ]
    return Markdown().blocks([Table(["suite", "entry", "runs", "each", "known from"], rows, text_columns=2)])


def _schedules(schedules: Sequence[Schedule]) -> str:
    from bench.report.formats.document import Table
    from bench.report.formats.inline import Inline, Said
    from bench.report.formats.markdown import Markdown

    rows: list[list[Inline]] = [
        [
            f"{each.workers:,}",
            duration(each.makespan_s),
            f"{100 * each.utilisation_fraction:.0f} %",
            f"{each.worker_hours:.3g}",
            Said(_name(each.last.run)),
        ]
        for each in schedules
    ]
    return Markdown().blocks([Table(["workers", "all done after", "utilisation", "worker-hours", "ends last"], rows)])


def _bounds(durations: Sequence[Duration]) -> str:
    from bench.execute.campaign import most_useful_workers

    longest = max(durations, key=lambda each: each.seconds)
    together = sum(each.seconds for each in durations)
    return (
        f"{runs_in_words(len(durations))}: {duration(together)} of work. The longest, {_name(longest.run)}, takes "
        f"{duration(longest.seconds)}: more than {most_useful_workers(durations):,} workers gain nothing."
    )


def _name(run: PlannedRun) -> str:
    return f"{run.suite}/{run.label} seed {run.seed}"
