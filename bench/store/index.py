"""What the records of a folder of runs were found to say, kept beside them, so that they are not read every time.

A cache and nothing else: it may be thrown away at any time. A file is taken for the one that was read where its times,
size and inode are the same. What was written by other code, damaged, or is being written by others counts as nothing.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import importlib.metadata
import json
import os
import platform
import sqlite3
import stat
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

from bench.errors import CorruptError
from bench.files.canonical import CHECKSUM
from bench.records.record import SCHEMA_VERSION, RunRecord
from bench.runs.sources import PACKAGE
from bench.store.facts import Facts
from bench.store.folder import RunFolder

NAME = ".index.sqlite"
SETTLED_S = 2.0  # a file younger than this may be changed again without showing it: clocks of file systems are coarse
MOST_PENDING = 1000  # records read that are not kept yet
MOST_BYTES = 100_000_000  # of records that are long gone: then it is begun anew
PATIENCE_S = 0.5  # with other processes that write here
_TABLE = (
    "CREATE TABLE IF NOT EXISTS facts (suite TEXT, key TEXT, stamp TEXT, facts TEXT, seal TEXT, "
    "PRIMARY KEY (suite, key)) WITHOUT ROWID"
)
_SOUND, _CORRUPT = "+", "-"  # before what a row holds: the facts of a record, or what is wrong with it
_DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
_FOREIGN = (*_DAMAGED, sqlite3.SQLITE_ERROR)  # the last of a table of other columns

Row = tuple[str, str, str]  # stamp, facts, seal


class Index:
    """The index of the folder of runs `root`, for one walk through it: read once a suite, written when told to."""

    def __init__(self, root: Path) -> None:
        self.root, self.path = root, root / NAME
        self._known: dict[str, dict[str, Row]] = {}  # by suite and key
        self._pending: dict[tuple[str, str], Row] = {}

    def facts(self, folder: RunFolder) -> Facts | None:
        """Return what `folder.check()` finds, and raise what it raises."""
        suite, key = folder.path.parts[-2:]
        before = _stamp(folder.record)
        held = None if before is None else self._held(suite, key, before)
        if held is not None:
            if held.startswith(_CORRUPT):
                raise CorruptError(folder.record, json.loads(held[1:]))
            return Facts.from_text(held[1:])
        record = self._checked(folder, before)
        return None if record is None else Facts.of(record)

    def record(self, folder: RunFolder) -> RunRecord | None:
        """Return what `folder.check()` returns, and raise what it raises; a file known to be sound is only parsed."""
        suite, key = folder.path.parts[-2:]
        before = _stamp(folder.record)
        held = None if before is None else self._held(suite, key, before)
        if held is None or not held.startswith(_SOUND):
            return self._checked(folder, before)
        try:
            data = json.loads(folder.record.read_bytes())
            if data["schema"] == SCHEMA_VERSION and _stamp(folder.record) == before:
                del data[CHECKSUM], data["wall_clock"][CHECKSUM]
                return RunRecord.model_validate(data)
        except (OSError, ValueError, LookupError, TypeError):  # it is another by now
            pass
        return folder.check()

    def _checked(self, folder: RunFolder, before: str | None) -> RunRecord | None:
        """Return what `folder.check()` returns, raise what it raises, and remember which of it."""
        words = None
        try:
            record = folder.check()
            words = None if record is None else _SOUND + Facts.of(record).to_text()
            return record
        except CorruptError as error:
            words = _CORRUPT + json.dumps(error.what) if error.path == folder.record else None
            raise
        finally:
            if words is not None and before is not None and _settled(before) and _stamp(folder.record) == before:
                suite, key = folder.path.parts[-2:]
                self._add(suite, key, before, words)

    def line(self, suite: str, line: bytes, where: str) -> tuple[str, Facts]:
        """Return the key of a record that is a line of a suite's report, and what it says.

        Raises RecordError, naming `where`, for what is no record, UnicodeDecodeError for what is no text.
        """
        place, stamp = f"reports/{suite}", hashlib.sha256(line).hexdigest()  # a name that no suite has
        held = self._held(place, stamp[:24], stamp)
        if held is not None:
            key, text = json.loads(held[1:])
            return str(key), Facts.from_text(text)
        record = RunRecord.from_json(line.decode(), where)
        text = Facts.of(record).to_text()
        self._add(place, stamp[:24], stamp, _SOUND + json.dumps([record.key, text]))
        return record.key, Facts.from_text(text)  # which holds no record

    def keep(self) -> None:
        """Write what was found; where that is impossible it is forgotten."""
        pending, self._pending = self._pending, {}
        if not pending or not os.access(self.root, os.W_OK) or os.path.islink(self.path):  # what is behind is not ours
            return
        rows = [(suite, key, *row) for (suite, key), row in pending.items()]
        try:
            if os.path.isfile(self.path) and os.path.getsize(self.path) > MOST_BYTES:
                self.path.unlink()
            with contextlib.closing(sqlite3.connect(self.path, timeout=PATIENCE_S)) as connection, connection:
                connection.execute("PRAGMA synchronous = OFF")  # what a power cut leaves is found out
                connection.execute(_TABLE)
                connection.executemany("INSERT OR REPLACE INTO facts VALUES (?, ?, ?, ?, ?)", rows)
        except OSError:
            return
        except sqlite3.Error as error:
            self._remove_if(error, _FOREIGN)

    def _held(self, suite: str, key: str, stamp: str) -> str | None:
        if suite not in self._known:
            self._known[suite] = dict(self._rows(suite))
        row = self._known[suite].get(key)
        if row is None or row[0] != stamp or row[2] != _seal(suite, key, stamp, row[1]):
            return None
        return row[1]

    def _rows(self, suite: str) -> Iterator[tuple[str, Row]]:
        if not os.path.isfile(self.path) or os.path.islink(self.path):
            return
        place = f"file:{quote(os.fsencode(self.path))}?mode=ro"
        try:
            with contextlib.closing(sqlite3.connect(place, uri=True, timeout=PATIENCE_S)) as connection:
                query = "SELECT key, stamp, facts, seal FROM facts WHERE suite = ?"
                yield from ((key, row) for key, *row in connection.execute(query, (suite,)))
        except sqlite3.Error as error:
            self._remove_if(error, _DAMAGED)  # without a table it may be new, and another process about to fill it

    def _add(self, suite: str, key: str, stamp: str, words: str) -> None:
        row = stamp, words, _seal(suite, key, stamp, words)
        self._known[suite][key] = self._pending[suite, key] = row
        if len(self._pending) >= MOST_PENDING:
            self.keep()

    def _remove_if(self, error: sqlite3.Error, codes: tuple[int, ...]) -> None:
        if getattr(error, "sqlite_errorcode", None) in codes:
            with contextlib.suppress(OSError):
                self.path.unlink()


def _stamp(path: Path) -> str | None:
    """Return what of a file changes when it is written; None where there is none that can be read."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    if not stat.S_ISREG(found.st_mode) or not os.access(path, os.R_OK):
        return None
    return f"{found.st_mtime_ns} {found.st_ctime_ns} {found.st_size} {found.st_ino}"


def _settled(stamp: str) -> bool:
    """Whether a file was last written so long ago that another change would show."""
    return max(map(int, stamp.split()[:2])) <= time.time_ns() - SETTLED_S * 1e9


def _seal(suite: str, key: str, stamp: str, words: str) -> str:
    parts = (version(), suite, key, stamp, words)
    return hashlib.sha256("\0".join(map(str, parts)).encode()).hexdigest()


@functools.cache
def version() -> str:
    """Return a digest of all that decides what is found in a record: this package, and what it reads records with."""
    digest = hashlib.sha256(platform.python_version().encode())
    for name in ("pydantic", "pydantic-core", "scipy"):
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            digest.update(importlib.metadata.version(name).encode())
    for path in sorted(PACKAGE.rglob("*.py")):
        digest.update(path.relative_to(PACKAGE).as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()
