"""A report on disk: records, page and figures written together, and checked against each other."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from bench.errors import StoreError
from bench.files.durable import atomic_write_all
from bench.files.lock import Lock
from bench.records.lines import read_records
from bench.records.record import RunRecord
from bench.report.evidence.comparison import held
from bench.report.evidence.evidence import Evidence
from bench.report.formats.base import PageFormat, text_of
from bench.report.formats.document import FIGURES
from bench.report.formats.markdown import Markdown
from bench.report.page import document, render_page
from bench.store.store import Store
from bench.suite.load import Suite

RECORDS, PAGE, DATA = "records.jsonl", "report.md", "figures.json"
PATIENCE_S = 600.0  # with another process that writes the same report
MOST_LINES = 6  # of differences shown per file


def make_report(
    suite: Suite,
    store: Store,
    folder: Path,
    tables: Sequence[str] | None = None,
    formats: Sequence[PageFormat] = (),
    conventions: Sequence[str] = (),
) -> Evidence:
    """Collect the records of a suite, write its report into `folder` and return its evidence; one process at a time.

    The page is written in markdown, and in each of `formats` beside it; `conventions` have a section if there are any.

    Raises StoreError when the folder cannot be written, BusyError when another process takes very long to, and
    RecordError where the records that are there cannot be read: they may be a newer version's.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(f"{folder}: cannot be made: {error.strerror}") from None
    with Lock(folder / ".lock", PATIENCE_S):
        store.check_report(suite, folder.parent)
        evidence = Evidence.of(suite, held(suite, store.collect(suite, folder.parent)), tables, conventions)
        write_report(evidence, folder, formats)
    return evidence


def write_report(evidence: Evidence, folder: Path, formats: Sequence[PageFormat] = ()) -> list[Path]:
    """Write records, page and figures of a report into `folder`; return the files.

    `evidence` is of the records that the folder is to hold, as `held` returns them. Raises StoreError if it cannot, and
    leaves the report that was there. `make_report` keeps other processes out.
    """
    from bench.report.figures.draw import draw_figures

    contents: dict[Path, str | bytes | Iterable[str]] = {folder / RECORDS: record_lines(evidence.comparison.records)}
    page = document(evidence)
    contents |= {file: text_of(each, each.page(page)) for file, each in page_files(folder, formats).items()}
    contents |= {folder / FIGURES / name: drawn for name, drawn in draw_figures(evidence).items()}
    atomic_write_all(contents)
    return list(contents)


def page_files(folder: Path, formats: Sequence[PageFormat] = ()) -> dict[Path, PageFormat]:
    """Return the files of a report's page, each with the format it is in: markdown and `formats`."""
    return {(folder / PAGE).with_suffix(each.suffix): each for each in (*formats, Markdown())}


def records_text(records: Iterable[RunRecord]) -> str:
    """Return records as lines of canonical JSON."""
    return "".join(record_lines(records))


def record_lines(records: Iterable[RunRecord]) -> Iterator[str]:
    """Yield records as lines of canonical JSON."""
    for record in records:
        yield record.to_json() + "\n"


def check_report(
    suite: Suite, folder: Path, tables: Sequence[str] | None = None, conventions: Sequence[str] = ()
) -> list[str]:
    """Return what in `folder` is not what its records give, file by file; empty when all agrees.

    Figures are checked by the data that they draw. Raises RecordError when the records cannot be read.
    """
    if not (folder / RECORDS).is_file():
        return [f"{folder / RECORDS}: missing; run `spikebench report {suite.path}`"]
    evidence = Evidence.of(suite, read_records(folder / RECORDS), tables, conventions)
    expected = {
        folder / RECORDS: records_text(evidence.comparison.records),
        folder / PAGE: render_page(evidence),
        folder / FIGURES / DATA: evidence.figures_json,
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
    except OSError as error:
        return [f"{path}: cannot be read: {error.strerror}"]
    if actual == expected:
        return []
    lines = list(difflib.unified_diff(actual.split("\n"), expected.split("\n"), lineterm="", n=0))[2:]
    shown = [f"  {line[:200]}" for line in lines[:MOST_LINES]]
    more = [f"  ... {len(lines) - MOST_LINES} more lines"] if len(lines) > MOST_LINES else []
    return [f"{path}: not what the records give", *shown, *more]
