"""The folder of runs: what is done, what is not, and how a run's files are written so that they never lie."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import tempfile
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import IO, TYPE_CHECKING

from bench import provenance
from bench.errors import RecordError, StoreError
from bench.record import RunRecord, canonical_json
from bench.spec import PlannedRun

if TYPE_CHECKING:
    from bench.suite import Suite

RUNS = Path("runs")
REPORTS = Path("reports")


class BusyError(StoreError):
    """Another process is executing the run."""


class State(StrEnum):
    """What the store knows about a planned run."""

    DONE = "done"
    STALE = "stale"  # done, by other code than today's
    PARTIAL = "partial"  # a checkpoint to go on from
    FAILED = "failed"
    MISSING = "missing"


@dataclass(frozen=True)
class RunFolder:
    """One run's directory `runs/<suite>/<key>/`; `record.json` is written last, and its existence means done."""

    path: Path

    @property
    def record(self) -> Path:
        """The record of a finished run."""
        return self.path / "record.json"

    @property
    def checkpoint(self) -> Path:
        """Model, optimiser, schedule and random-number states."""
        return self.path / "checkpoint.pt"

    @property
    def failure(self) -> Path:
        """Why the last attempt failed, with its traceback."""
        return self.path / "failure.json"

    @property
    def log(self) -> Path:
        """What the run's process printed."""
        return self.path / "log.txt"

    @property
    def profile(self) -> Path:
        """Where the time of a training step went, as a table; its trace lies beside it."""
        return self.path / "profile.txt"

    def make(self) -> None:
        """Make the directory. Raises StoreError when that is impossible."""
        try:
            self.path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StoreError(f"{self.path}: cannot be made: {error.strerror}") from None

    @contextlib.contextmanager
    def lock(self, patience_s: float = 0.0) -> Iterator[None]:
        """Hold the run for this process; the system frees it when the process ends, however it ends.

        Waits at most `patience_s` seconds for another process. Raises BusyError when that keeps it, StoreError when the
        folder cannot be written.
        """
        self.make()
        try:
            handle = (self.path / "lock").open("w")
        except OSError as error:
            raise StoreError(f"{self.path}: cannot be written: {error.strerror}") from None
        with handle:
            deadline = time.monotonic() + patience_s
            while not _locked(handle):
                if time.monotonic() >= deadline:
                    raise BusyError(f"{self.path}: another process is running this; wait for it")
                time.sleep(0.2)
            yield


class Store:
    """All runs below one folder."""

    def __init__(self, root: Path = RUNS) -> None:
        self.root = root

    def folder(self, run: PlannedRun) -> RunFolder:
        """Return the directory of a planned run."""
        return RunFolder(self.root / run.suite / run.key)

    def state(self, run: PlannedRun) -> State:
        """Say how far a run is. A record measured otherwise than the suite now asks counts as partial."""
        folder = self.folder(run)
        record = self._record(folder)
        if record is not None:
            if not _is_measured(record, run):
                return State.FAILED if folder.failure.is_file() else State.PARTIAL
            current = record.digests is not None and record.digests.code == provenance.code_digest(run.spec)
            return State.DONE if current else State.STALE
        if folder.failure.is_file():
            return State.FAILED
        return State.PARTIAL if folder.checkpoint.is_file() else State.MISSING

    def collect(self, suite: Suite, reports: Path = REPORTS) -> list[RunRecord]:
        """Return the records of a suite's runs: what this store holds, else what the committed report has."""
        committed = {record.key: record for record in read_records(reports / suite.name / "records.jsonl")}
        found = []
        for run in suite.runs:
            folder = self.folder(run)
            record = self._record(folder)
            if record is None or not _is_measured(record, run):
                record = _failure(run, folder) or record or committed.get(run.key)
            if record is not None:
                found.append(record.model_copy(update={"label": run.label}))
        return found

    def _record(self, folder: RunFolder) -> RunRecord | None:
        try:
            text = folder.record.read_text("utf-8")
        except (FileNotFoundError, NotADirectoryError):
            return None
        except (OSError, UnicodeDecodeError) as error:
            raise RecordError(f"{folder.record}: cannot be read: {error}; delete it to run again") from None
        return RunRecord.from_json(text, str(folder.record))


def _is_measured(record: RunRecord, run: PlannedRun) -> bool:
    """Whether a record holds what the suite now asks to measure, with today's code of the neuron that is deployed."""
    if record.measure_key != run.measure_key:
        return False
    deploy, deployed = run.measure.deploy, record.deployed
    return deploy is None or (deployed is not None and deployed.code == provenance.neuron_digest(deploy))


def _locked(handle: IO[str]) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def failed_record(run: PlannedRun, error: str) -> RunRecord:
    """Return the record of a run that ended with `error` and measured nothing."""
    return RunRecord(
        key=run.key,
        measure_key=run.measure_key,
        label=run.label,
        seed=run.seed,
        spec=run.spec.to_json(),
        resolved=provenance.resolve_parameters(run.spec),
        status="failed",
        error=error,
    )


def write_failure(folder: RunFolder, error: str, traceback: str) -> None:
    """Leave the reason of a failed run in its folder."""
    atomic_write(folder.failure, canonical_json({"error": error, "traceback": traceback}) + "\n")


def _failure(run: PlannedRun, folder: RunFolder) -> RunRecord | None:
    try:
        reason = json.loads(folder.failure.read_text("utf-8"))["error"]
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise RecordError(f"{folder.failure}: cannot be read: {error}; delete it to run again") from None
    return failed_record(run, str(reason))


def read_records(path: Path) -> list[RunRecord]:
    """Read a records file, none when it does not exist. Raises RecordError naming file and line."""
    try:
        lines = path.read_text("utf-8").split("\n")  # JSON text may hold other line separators
    except FileNotFoundError:
        return []
    except (OSError, UnicodeDecodeError) as error:
        raise RecordError(f"{path}: cannot be read: {error}") from None
    return parse_records(lines, str(path))


def parse_records(lines: Iterable[str], where: str) -> list[RunRecord]:
    """Read records from JSON lines. Raises RecordError naming `where` and the line."""
    return [RunRecord.from_json(line, f"{where}:{number}") for number, line in enumerate(lines, 1) if line.strip()]


def atomic_write(path: Path, content: str | bytes) -> None:
    """Write a file so that readers see the old one or the whole new one: temporary file, fsync, rename.

    Raises StoreError when the disk is full or the folder read-only; the old file is then untouched.
    """
    data = content.encode() if isinstance(content, str) else content
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=path.name + ".")
    except OSError as error:
        raise StoreError(f"{path}: cannot be written: {error.strerror}") from None
    try:
        with os.fdopen(descriptor, "wb") as handle:
            handle.write(data)
            handle.flush()
            os.fsync(handle.fileno())
        os.chmod(name, 0o644)
        os.replace(name, path)
    except OSError as error:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(name)
        raise StoreError(f"{path}: cannot be written: {error.strerror}") from None
