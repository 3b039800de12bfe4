"""A report on disk: records, page and figures written together, and checked against each other."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from pathlib import Path

from bench.record import RunRecord, canonical_json
from bench.report.figure_data import figure_data
from bench.report.frame import select
from bench.report.markdown import FIGURES, render_report
from bench.store import atomic_write
from bench.store import read_records as read_records
from bench.suite import Suite

RECORDS, PAGE, DATA = "records.jsonl", "report.md", "figures.json"
MOST_LINES = 6  # of differences shown per file


def write_report(
    suite: Suite, records: Sequence[RunRecord], folder: Path, tables: Sequence[str] | None = None
) -> list[Path]:
    """Write records, report and figures of a suite into `folder`; return the files. Raises StoreError if it cannot."""
    from bench.report.figures import write_figures

    page, lines = folder / PAGE, folder / RECORDS
    records = [slot.record for slot in select(suite, records) if slot.record is not None]  # what the folder will hold
    atomic_write(lines, records_text(suite, records))
    figures = write_figures(suite, records, folder / FIGURES, tables)
    atomic_write(page, render_report(suite, records, tables))
    return [lines, page, *figures]


def records_text(suite: Suite, records: Sequence[RunRecord]) -> str:
    """Return the suite's own records, done and failed, as lines of canonical JSON by entry and seed."""
    kept = [slot.record for slot in select(suite, records) if slot.record is not None]
    return "".join(record.to_json() + "\n" for record in kept)


def check_report(suite: Suite, folder: Path, tables: Sequence[str] | None = None) -> list[str]:
    """Return what in `folder` is not what its records give, file by file; empty when all agrees.

    Figures are checked by the data that they draw. Raises RecordError when the records cannot be read.
    """
    if not (folder / RECORDS).is_file():
        return [f"{folder / RECORDS}: missing; run `spikebench report {suite.path}`"]
    records = read_records(folder / RECORDS)
    expected = {
        folder / RECORDS: records_text(suite, records),
        folder / PAGE: render_report(suite, records, tables),
        folder / FIGURES / DATA: canonical_json(figure_data(suite, records, tables)) + "\n",
    }
    found: list[str] = []
    for path, text in expected.items():
        found += _differences(path, text)
    return found


def _differences(path: Path, expected: str) -> Iterable[str]:
    try:
        actual = path.read_bytes().decode("utf-8", errors="replace")
    except FileNotFoundError:
        return [f"{path}: missing"]
    if actual == expected:
        return []
    lines = list(difflib.unified_diff(actual.split("\n"), expected.split("\n"), lineterm="", n=0))[2:]
    shown = [f"  {line[:200]}" for line in lines[:MOST_LINES]]
    more = [f"  ... {len(lines) - MOST_LINES} more lines"] if len(lines) > MOST_LINES else []
    return [f"{path}: not what the records give", *shown, *more]
