"""The verbs that look after a machine and its folders: `doctor` and `clean`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bench.commands.options import Data, collect_seldom, load, out

if TYPE_CHECKING:
    from bench.upkeep.leftovers import Leftover


def doctor(
    suites: Annotated[
        list[Path] | None, typer.Argument(metavar="[SUITE...]", help="Suite files (default: all in suites/).")
    ] = None,
    data: Data = Path("data"),
) -> None:
    """Check versions, device, disk space, store, locks and data; say what is wrong and what to do."""
    from bench.store.store import REPORTS, Store
    from bench.upkeep.doctor import examine

    wrong = 0
    collect_seldom()
    for finding in examine(load(suites or sorted(Path("suites").glob("*.toml"))), Store(), REPORTS, data):
        wrong += finding.state == "wrong"
        out.print(f"{finding.state:<7}  {finding.what:<9}  {finding.words}")
    if wrong:
        raise typer.Exit(1)


def clean(
    suites: Annotated[
        list[Path] | None, typer.Argument(metavar="[SUITE...]", help="Only what belongs to these suites.")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Remove what is listed.")] = False,
    checkpoints: Annotated[
        bool, typer.Option("--checkpoints", help="Also checkpoints of finished runs: to measure anew trains again.")
    ] = False,
    unplanned: Annotated[
        bool, typer.Option("--unplanned", help="Also runs that the named suites no longer ask for.")
    ] = False,
    data: Data = Path("data"),
) -> None:
    """List what is left over (dead locks, unfinished writes, damaged files set aside); with --yes remove it."""
    from bench.store.store import REPORTS, RUNS
    from bench.upkeep.leftovers import leftovers, remove

    collect_seldom()
    found = leftovers(RUNS, REPORTS, data, load(suites or []), checkpoints=checkpoints, unplanned=unplanned)
    for leftover in found:
        out.print(f"{leftover.path}  {leftover.size_bytes:,} bytes  {leftover.why}")
    if not found:
        out.print("nothing left over")
    elif yes:
        removed = remove(found)
        rest = f"; {len(found) - len(removed)} stay: a process is at work there" if len(removed) < len(found) else ""
        out.print(f"removed: {_amount(removed)}{rest}")
    else:
        out.print(f"left over: {_amount(found)}; nothing removed, --yes removes them")


def _amount(found: Sequence[Leftover]) -> str:
    size = sum(leftover.size_bytes for leftover in found)
    return f"{len(found)} files and folders, {size / 1e6:.1f} MB"
