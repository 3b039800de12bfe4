"""The verbs `report` and `diff`: pages from records, and records against records."""

from __future__ import annotations

from typing import Annotated

import typer

from bench.commands.options import Suites, Trust, collect_seldom, err, load, out


def report(
    suites: Suites,
    check: Annotated[bool, typer.Option("--check", help="Fail when a report is not what its records give.")] = False,
    format: Annotated[
        str, typer.Option(metavar="NAME", help="How to print the main table; see `spikebench list formats`.")
    ] = "md",
    table: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="One more cost table, by name or path; may be repeated.")
    ] = None,
    convention: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="Energy as another paper or tool computes it, and why it differs, see `spikebench list conventions`; "
            "may be repeated.",
        ),
    ] = None,
    trust: Trust = False,
) -> None:
    """Write reports/<suite>/ from the records and print the main table."""
    from bench.report.formats.base import PageFormat, format_named
    from bench.report.page import conventions_in_markdown, main_table, table_in
    from bench.report.write import check_report, make_report, page_files
    from bench.store.store import REPORTS, Store
    from bench.suite.load import rules_of

    conventions = list(dict.fromkeys(convention or ()))
    used = {("format", format), *rules_of(table or ()), *(("convention", name) for name in conventions)}
    collect_seldom()
    loaded = load(suites, trust, used)
    chosen = format_named(format)
    pages = [chosen] if isinstance(chosen, PageFormat) else []
    differences = 0
    for suite in loaded:
        folder = REPORTS / suite.name
        tables = [*suite.spec.energy, *(name for name in table or () if name not in suite.spec.energy)]
        if check:
            found = check_report(suite, folder, tables, conventions)
            differences += len(found)
            out.print("\n".join(found) if found else f"{folder}: agrees with its records")
            continue
        evidence = make_report(suite, Store(), folder, tables, pages, conventions)
        narrow = out.is_terminal and format == "md"  # the full table is for a page, not for a screen
        out.print(main_table(evidence, compact=True) if narrow else table_in(chosen, evidence))
        if conventions and format == "md":
            out.print(f"\n{conventions_in_markdown(evidence)}")
        for file in page_files(folder, pages):
            err.print(f"{file}")
    if differences:
        raise typer.Exit(1)


def diff(
    old: Annotated[str, typer.Argument(metavar="OLD", help="A records file or a git revision.")],
    new: Annotated[str, typer.Argument(metavar="NEW", help="A records file or a git revision.")],
) -> None:
    """Compare two sets of records: before, after, ratio."""
    from bench.report.diff import diff as compare
    from bench.report.diff import load_side

    out.print(compare(load_side(old), load_side(new)))
