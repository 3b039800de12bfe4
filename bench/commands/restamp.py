"""The verb `restamp`: committed records take the digest of today's code, once a sample has shown equal numbers."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bench.commands.options import Suites, load, out
from bench.errors import BenchError, RunFailedError

if TYPE_CHECKING:
    from bench.suite.load import Suite
    from bench.upkeep.restamp import Compared

Before = Annotated[
    Path, typer.Option("--before", metavar="DIR", help="Runs that the older code trained, as its runs/ folder.")
]
After = Annotated[
    Path, typer.Option("--after", metavar="DIR", help="The same runs trained by today's code on the same machine.")
]


def restamp(
    suites: Suites,
    before: Before,
    after: After,
    yes: Annotated[bool, typer.Option("--yes", help="Write the records.")] = False,
) -> None:
    """Compare runs trained before and after a change of the code; where all are equal, mark records as current."""
    from bench.files.durable import atomic_write_all
    from bench.files.lock import Lock
    from bench.report.write import PATIENCE_S, RECORDS
    from bench.store.store import REPORTS

    _refuse_the_store(before, after)
    loaded = load(suites)
    with contextlib.ExitStack() as stack:
        for suite in loaded:
            if not (REPORTS / suite.name / RECORDS).is_file():
                raise RunFailedError(f"{REPORTS / suite.name / RECORDS}: there are no records; nothing written")
            stack.enter_context(Lock(REPORTS / suite.name / ".lock", PATIENCE_S))
        contents = {}
        for suite in loaded:
            path = REPORTS / suite.name / RECORDS
            contents[path] = _stamped(suite, before, after, path)
        if not yes:
            out.print("all equal; nothing written, --yes writes the records")
            return
        atomic_write_all(contents)
    for path in contents:
        out.print(f"{path}: has the digest of today's code")
    out.print(f"now: spikebench report {' '.join(map(str, suites))}")


def _refuse_the_store(*folders: Path) -> None:
    from bench.store.store import RUNS

    for folder in folders:
        if folder.resolve() == RUNS.resolve():
            raise BenchError(
                f"{folder}: is where reports take records from, before the committed ones; keep the runs to compare in "
                "a folder of their own, as other-checkout/runs"
            )


def _stamped(suite: Suite, before: Path, after: Path, path: Path) -> str:
    """Return the records at `path` with today's digest, once the runs of the suite are shown to be equal."""
    from bench.records.lines import read_records
    from bench.report.write import records_text
    from bench.store.store import Store
    from bench.upkeep.restamp import compared, restamped

    records = read_records(path)
    _show(suite, compared(suite, Store(before), Store(after), records))
    return records_text(restamped(suite, records))


def _show(suite: Suite, found: list[Compared]) -> None:
    """Print what was compared. Raises RunFailedError where a run differs, or nothing was compared."""
    from bench.upkeep.restamp import MOST_NAMED

    wrong = [one for one in found if one.differences]
    for one in found:
        name = f"{suite.name}/{one.run.label} seed {one.run.seed}  {one.run.key}"
        if one.differences:
            more = f" and {len(one.differences) - MOST_NAMED} more" if len(one.differences) > MOST_NAMED else ""
            out.print(f"{name}  differs in {', '.join(one.differences[:MOST_NAMED])}{more}")
        else:
            kept = "as the committed record" if one.as_committed else "the committed record has others"
            out.print(f"{name}  equal in every number; {kept}")
    if wrong:
        raise RunFailedError(f"{suite.path}: {len(wrong)} of {len(found)} compared runs differ; nothing written")
    if any(not one.as_committed for one in found):
        out.print(
            f"{suite.name}: the committed numbers are not those that both codes give on this machine: another kind of "
            "processor made them, or code older than that of --before. In the second case do not restamp: train the "
            "suite again"
        )
    labels = {one.run.label for one in found}
    rest = [entry.label for entry in suite.spec.entries if entry.label not in labels]
    if found and rest:
        out.print(f"{suite.name}: nothing compared of {', '.join(rest)}")
    if not found:
        raise RunFailedError(f"{suite.path}: no run is in both folders, so nothing is shown; nothing written")
