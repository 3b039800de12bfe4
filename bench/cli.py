"""The command: verbs that call the library, print what it returns and turn its errors into exit codes."""

from __future__ import annotations

import os
import sys
from collections import Counter
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from typer.core import TyperGroup

from bench.cli_neurons import check_neuron, new
from bench.cli_speed import speed
from bench.cli_upkeep import clean, doctor
from bench.errors import BenchError
from bench.path import ExecutionPath
from bench.registry import trust as trust_modules

if TYPE_CHECKING:
    from bench.suite import Suite

INTERRUPTED, TERMINATED = 130, 143  # 128 + SIGINT and 128 + SIGTERM, as shells have it
out = Console(soft_wrap=True, highlight=False, markup=False, emoji=False)


class _Verbs(TyperGroup):
    """Every verb ends a Ctrl-C in one line."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt as asked:
            from bench.execute.interrupts import Terminated

            out.print("interrupted")
            raise typer.Exit(TERMINATED if isinstance(asked, Terminated) else INTERRUPTED) from None


app = typer.Typer(
    cls=_Verbs,
    help="Matched comparison of ANN, LIF, CLIF and other spiking networks.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

Suites = Annotated[list[Path], typer.Argument(metavar="SUITE...", help="Suite files, as suites/digits.toml.")]


Trust = Annotated[bool, typer.Option("--trust", help="Run code from outside this package that the suites name.")]


class TableFormat(StrEnum):
    """How `report` prints the main table."""

    md = "md"
    csv = "csv"
    latex = "latex"


class Listing(StrEnum):
    """What `list` can list."""

    neurons = "neurons"
    encoders = "encoders"
    models = "models"
    datasets = "datasets"
    suites = "suites"
    tables = "tables"


@app.command()
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
    from bench.execute.local import Outcome, Settings, execute, plan, resources
    from bench.store import State, Store

    terminate_like_interrupt()
    loaded, store = _load(suites, trust), Store()
    selected, todos = plan(loaded, store, label=only, seed=seed, force=force, stale=stale)
    states = Counter(todo.state for todo in selected if todo not in todos)
    before = Counter(todo.state for todo in todos if todo.state in (State.PARTIAL, State.FAILED, State.CORRUPT))
    begun = f" ({', '.join(f'{count} {state}' for state, count in sorted(before.items()))})" if before else ""
    parts = [f"{states[state]} {state}" for state in (State.DONE, State.STALE) if states[state]]
    settings = Settings(device=device, jobs=jobs, data=data, offline=offline, path=path, profile=profile)
    try:
        with interrupts_deferred():  # in the middle of a print or of an import it would end in anything but one line
            out.print(f"{_runs(len(selected))}: {', '.join([*parts, f'{len(todos)} to do{begun}'])}")
            if todos and not dry_run:
                import torch  # noqa: F401
        if dry_run:
            for todo in todos:
                out.print(f"{todo.run.suite}/{todo.run.label} seed {todo.run.seed}  {todo.run.key}  {todo.state}")
        if dry_run or not todos:
            if profile and not todos:
                out.print("nothing to profile: what is done is not trained again without --force")
            return
        from bench.progress import Board

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
        words = [f"{outcome.done} of {_runs(len(todos))} done", f"{outcome.saved} saved part of the way"]
        words += [f"{outcome.killed} killed before saving"] if outcome.killed else []
        out.print(f"interrupted: {', '.join(words)}; the same command goes on")
        raise typer.Exit(TERMINATED if outcome.terminated else INTERRUPTED)
    if outcome.failed:
        raise typer.Exit(1)


@app.command()
def report(
    suites: Suites,
    check: Annotated[bool, typer.Option("--check", help="Fail when a report is not what its records give.")] = False,
    format: Annotated[TableFormat, typer.Option(help="How to print the main table.")] = TableFormat.md,
    table: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="One more cost table, by name or path; may be repeated.")
    ] = None,
) -> None:
    """Write reports/<suite>/ from the records and print the main table."""
    from bench.report.markdown import main_table, render_table
    from bench.report.write import check_report, make_report
    from bench.store import REPORTS, Store

    differences = 0
    for suite in _load(suites):
        folder = REPORTS / suite.name
        tables = [*suite.spec.energy, *(name for name in table or () if name not in suite.spec.energy)]
        if check:
            found = check_report(suite, folder, tables)
            differences += len(found)
            out.print("\n".join(found) if found else f"{folder}: agrees with its records")
            continue
        records = make_report(suite, Store(), folder, tables)
        narrow = out.is_terminal and format is TableFormat.md  # the full table is for a page, not for a screen
        full = render_table(suite, records, format.value, tables)
        out.print(main_table(suite, records, compact=True) if narrow else full)
        typer.echo(f"{folder / 'report.md'}", err=True)
    if differences:
        raise typer.Exit(1)


@app.command()
def status(suites: Suites) -> None:
    """Show which runs are done, stale, partial, corrupt, failed or missing, and what is known of them."""
    from bench.store import Store

    store = Store()
    for suite in _load(suites):
        states = [(planned, store.state(planned)) for planned in suite.runs]
        counted = Counter(state for _, state in states)
        out.print(f"{suite.path}: {', '.join(f'{count} {state}' for state, count in sorted(counted.items()))}")
        table = Table(box=None, pad_edge=False)
        for column in ("entry", "seed", "key", "state", ""):
            table.add_column(column)
        for planned, state in states:
            table.add_row(planned.label, str(planned.seed), planned.key, state, store.remark(planned))
        out.print(table)


@app.command()
def count(
    suite: Annotated[Path, typer.Argument(metavar="SUITE", help="A suite file.")],
    only: Annotated[str, typer.Option(metavar="LABEL", help="The entry.")],
    seed: Annotated[int | None, typer.Option(metavar="N", help="The seed (default: the first that is done).")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print the counts as JSON.")] = False,
) -> None:
    """Print what was counted, layer by layer, on a trained run."""
    from bench.report.counts import count_tables
    from bench.store import Store

    [loaded] = _load([suite])
    wanted = {planned.key for planned in loaded.select(only, seed)}
    done = [record for record in Store().collect(loaded) if record.key in wanted and record.counts is not None]
    if not done:
        raise BenchError(f"{suite}: no finished run of '{only}'; train it with: spikebench run {suite} --only '{only}'")
    first = min(done, key=lambda record: record.seed)
    out.print(first.counts.model_dump_json(indent=2) if json and first.counts else count_tables(first))


@app.command()
def diagnose(
    suite: Annotated[Path, typer.Argument(metavar="SUITE", help="A suite file.")],
    only: Annotated[str, typer.Option(metavar="LABEL", help="The entry.")],
    seed: Annotated[
        int | None, typer.Option(metavar="N", help="The seed (default: the first that is trained).")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print everything as JSON, histograms too.")] = False,
    figure: Annotated[Path | None, typer.Option(metavar="PATH", help="Draw it too, as .png or .svg.")] = None,
    data: Annotated[Path, typer.Option(envvar="SPIKEBENCH_DATA", metavar="DIR", help="Data folder.")] = Path("data"),
    offline: Annotated[bool, typer.Option("--offline", help="Never download.")] = False,
    trust: Trust = False,
) -> None:
    """Print gradient through time, membrane, dead and saturated neurons of a trained run."""
    from bench.report.diagnostics import diagnostics_tables, format_of
    from bench.store import Store, atomic_write

    [loaded] = _load([suite], trust)
    drawn_as = None if figure is None else format_of(figure)
    from bench.execute.trained import diagnose_trained

    planned, found = diagnose_trained(loaded, only, seed, Store(), data, offline)
    out.print(found.model_dump_json(indent=2) if json else diagnostics_tables(planned, found))
    if figure is not None and drawn_as is not None:
        from bench.report.diagnostic_figures import run_figure

        atomic_write(figure, run_figure(planned.label, found, drawn_as))
        typer.echo(f"{figure}", err=True)


@app.command()
def check(suites: Suites, trust: Trust = False) -> None:
    """Validate suites without running them: every problem at once."""
    from bench.execute.local import check_values

    loaded = _load(suites, trust)
    check_values(loaded)
    for suite in loaded:
        out.print(f"{suite.path}: fine ({_runs(len(suite.runs))})")


@app.command("list")
def list_(kind: Annotated[Listing, typer.Argument(help="What to list.")]) -> None:
    """List what a suite may name."""
    from bench.listing import rows_of

    rows = rows_of(kind.value)
    table = Table(box=None, pad_edge=False)
    for column in ("name", "parameters", "what it is") if len(rows[0]) == 3 else ("name", "what it is"):
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*row)
    out.print(table, soft_wrap=not out.is_terminal)


@app.command()
def diff(
    old: Annotated[str, typer.Argument(metavar="OLD", help="A records file or a git revision.")],
    new: Annotated[str, typer.Argument(metavar="NEW", help="A records file or a git revision.")],
) -> None:
    """Compare two sets of records: before, after, ratio."""
    from bench.report.diff import diff as compare
    from bench.report.diff import load_side

    out.print(compare(load_side(old), load_side(new)))


app.command("check-neuron", context_settings={"allow_extra_args": True, "ignore_unknown_options": True})(check_neuron)
app.command("speed")(speed)
app.command("doctor")(doctor)
app.command("clean")(clean)
app.add_typer(new, name="new")


def _load(paths: list[Path], trusted: bool = False) -> list[Suite]:
    from bench.suite import load_suites  # what it imports takes longer than the help does

    suites = load_suites(paths)
    if trusted:
        trust_modules({module for suite in suites for module in suite.outside_modules})
    return suites


def _runs(count: int) -> str:
    return f"{count} run{'' if count == 1 else 's'}"


def main() -> None:
    """Run the command; a BenchError becomes one message on standard error and its exit code."""
    if not {"", os.getcwd()} & set(sys.path):  # as `python -m bench` has it; last, so that it hides nothing
        sys.path.append(os.getcwd())
    try:
        app()
    except BenchError as error:
        typer.echo(f"spikebench: {error}", err=True)
        sys.exit(error.exit_code)
