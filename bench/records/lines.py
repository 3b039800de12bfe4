"""Files of records: one JSON line a run."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from bench.errors import RecordError
from bench.records.record import RunRecord

MAX_RECORDS_BYTES = 500_000_000  # ten thousand runs with room to spare


def read_records(path: Path) -> list[RunRecord]:
    """Read a records file, none when it does not exist. Raises RecordError naming file and line."""
    try:
        if path.stat().st_size > MAX_RECORDS_BYTES:
            raise RecordError(f"{path}: larger than {MAX_RECORDS_BYTES // 10**6} MB; a run's record is some kilobytes")
        lines = path.read_text("utf-8").split("\n")  # JSON text may hold other line separators
    except FileNotFoundError:
        return []
    except (OSError, UnicodeDecodeError) as error:
        raise RecordError(f"{path}: cannot be read: {error}") from None
    return parse_records(lines, str(path))


def parse_records(lines: Iterable[str], where: str) -> list[RunRecord]:
    """Read records from JSON lines. Raises RecordError naming `where` and the line."""
    return [RunRecord.from_json(line, f"{where}:{number}") for number, line in enumerate(lines, 1) if line.strip()]
