"""The records of a committed report, line by line: what each says is known without holding them all."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from bench.errors import BenchError, RecordError
from bench.records.lines import MAX_RECORDS_BYTES, read_records
from bench.records.record import RunRecord
from bench.store.facts import Facts
from bench.store.index import Index


@dataclass(frozen=True, slots=True)
class Line:
    """A sound record of a report: what it says, and the record itself when it is asked for."""

    facts: Facts
    record: Callable[[], RunRecord]


def committed(path: Path, index: Index) -> dict[str, Line]:
    """Return the records of a file by key, none when it does not exist. Raises RecordError naming file and line."""
    try:
        return dict(_lines(path, index))
    except (BenchError, OSError, ValueError):  # told as by whoever reads the file at once, or it is read after all
        return {record.key: Line(Facts.of(record), partial(_same, record)) for record in read_records(path)}


def _lines(path: Path, index: Index) -> Iterator[tuple[str, Line]]:
    with path.open("rb") as handle:
        at = read = 0
        for number, line in enumerate(handle, 1):
            read += len(line)
            if read > MAX_RECORDS_BYTES:
                raise RecordError(f"{path}: is too large")
            if line.strip():
                key, facts = index.line(path.parent.name, line, f"{path}:{number}")
                yield key, Line(facts, partial(_read, path, at, number))
            at = read


def _same(record: RunRecord) -> RunRecord:
    return record


def _read(path: Path, at: int, number: int) -> RunRecord:
    try:
        with path.open("rb") as handle:
            handle.seek(at)
            return RunRecord.from_json(handle.readline().decode(), f"{path}:{number}")
    except (OSError, UnicodeDecodeError) as error:
        raise RecordError(f"{path}: cannot be read: {error}") from None
