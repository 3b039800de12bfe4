"""The verb `restamp`: committed records take the digest of today's code, once a sample has shown equal numbers."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bench.commands.options import Suites, load, out
from bench.errors import RunFailedError

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
    from bench.records.lines import read_records
    from bench.report.evidence.comparison import held
    from bench.report.write import RECORDS, records_text
    from bench.store.store import REPORTS
    from bench.upkeep.restamp import restamped

    contents: dict[Path, str | bytes] = {}
    for suite in load(suites):
        path = REPORTS / suite.name / RECORDS
        records = read_records(path)
        if not records:
            raise RunFailedError(f"{path}: there are no records; nothing written")
        _show(suite, _compared(suite, before, after, path))
        contents[path] = records_text(held(suite, restamped(suite, records)))
    if not yes:
        out.print("all equal; nothing written, --yes writes the records")
        return
    atomic_write_all(contents)
    for path in contents:
        out.print(f"{path}: has the digest of today's code")
    out.print(f"now: spikebench report {' '.join(map(str, suites))}")


def _compared(suite: Suite, before: Path, after: Path, committed: Path) -> list[Compared]:
    from bench.records.lines import read_records
    from bench.store.store import Store
    from bench.upkeep.restamp import compared

    return compared(suite, Store(before), Store(after), read_records(committed))


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
    if not found:
        raise RunFailedError(f"{suite.path}: no run is in both folders, so nothing is shown; nothing written")
