"""The folder of runs: what is done, what is not, and how a run's files are written so that they never lie."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import IO, TYPE_CHECKING

from bench import provenance
from bench.durable import atomic_write as atomic_write
from bench.durable import check_seal, make_folder, set_aside
from bench.errors import BenchError, CorruptError, NewerError, RecordError, StoreError
from bench.errors import BusyError as BusyError
from bench.lock import Holder, Lock, holder_of, is_stale
from bench.record import RunRecord, canonical_json
from bench.spec import PlannedRun

if TYPE_CHECKING:
    from bench.suite import Suite

_LOOKS = 5  # at files that may be replaced meanwhile
MAX_RECORDS_BYTES = 500_000_000  # ten thousand runs with room to spare
RUNS = Path("runs")
REPORTS = Path("reports")


class State(StrEnum):
    """What the store knows about a planned run."""

    DONE = "done"
    STALE = "stale"  # done, by other code than today's
    PARTIAL = "partial"  # a checkpoint to go on from
    UNREADABLE = "unreadable"  # no leave to read it, or a newer version wrote it
    CORRUPT = "corrupt"  # a file that is not what was written there; `run` sets it aside and goes on from the rest
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
    def previous_record(self) -> Path:
        """The record that the run had before it was begun afresh."""
        return self.path / "record.previous.json"

    @property
    def last_result_ns(self) -> int | None:
        """When the record or the reason of a failure was written, the later of both; None where there is neither."""
        times = []
        for path in (self.record, self.failure):
            with contextlib.suppress(OSError):
                times.append(path.stat().st_mtime_ns)
        return max(times, default=None)

    @property
    def checkpoint(self) -> Path:
        """Model, optimiser, schedule and random-number states."""
        return self.path / "checkpoint.pt"

    @property
    def older_checkpoint(self) -> Path:
        """The checkpoint before that."""
        return self.path / "checkpoint.older.pt"

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

    @property
    def afresh_mark(self) -> Path:
        """Says that the run is to be trained from the start, though its record is there."""
        return self.path / "afresh"

    @property
    def to_begin_afresh(self) -> bool:
        """Whether somebody asked to train from the start, and nobody has begun."""
        return self.afresh_mark.exists()

    @property
    def is_begun_afresh(self) -> bool:
        """Whether training from the start is asked for or begun, and not finished."""
        return self.to_begin_afresh or (self.previous_record.exists() and not self.record.exists())

    def ask_afresh(self) -> None:
        """Leave word that the run is to be trained from the start. Raises StoreError when that is impossible."""
        atomic_write(self.afresh_mark, "")

    def make(self) -> None:
        """Make the directory. Raises StoreError when that is impossible."""
        try:
            make_folder(self.path)
        except OSError as error:
            raise StoreError(f"{self.path}: cannot be made: {error.strerror}") from None

    def open_log(self) -> IO[str]:
        """Open the log to append to it, and remove an older profile. Raises StoreError when that is impossible."""
        try:
            self.profile.unlink(missing_ok=True)
            return self.log.open("a", encoding="utf-8")
        except OSError as error:
            raise StoreError(f"{self.log}: cannot be written: {error.strerror}") from None

    @property
    def lock_file(self) -> Path:
        """Who executes the run."""
        return self.path / "lock"

    def lock(self, patience_s: float = 0.0) -> Lock:
        """Return the lock that keeps the run for this process, to be held by `with`; see `Lock`."""
        self.make()
        return Lock(self.lock_file, patience_s)

    def executed_by(self) -> Holder | None:
        """Return who executes the run now; None where nobody does, or only a lock is left of whoever did."""
        if not os.path.lexists(self.lock_file):
            return None
        holder = holder_of(self.lock_file)
        return None if is_stale(self.lock_file, holder) else holder or Holder.unknown()

    def check(self) -> RunRecord | None:
        """Return the record, if there is one. Raises CorruptError for it, or without one for the newest checkpoint."""
        for _ in range(_LOOKS):
            record = self._read_record()
            if record is not None:
                return record
            try:
                for path in (self.checkpoint, self.older_checkpoint):
                    if path.exists():
                        check_seal(path)
                        break
            except FileNotFoundError:  # whoever trains has just written a newer one
                continue
            return None
        return None

    def start_afresh(self) -> None:
        """Forget the checkpoints of a run; its old record is kept beside until the new one is there."""
        try:
            for path in (self.checkpoint, self.older_checkpoint):
                path.unlink(missing_ok=True)
            if self.record.exists():
                os.replace(self.record, self.previous_record)
            self.afresh_mark.unlink(missing_ok=True)
        except OSError as error:
            raise StoreError(f"{self.path}: cannot be begun afresh: {error.strerror}") from None

    def set_record_aside(self) -> str | None:
        """Put a damaged record out of the way; return what was wrong with it and how it is called now, or None."""
        try:
            self._read_record()
        except CorruptError as error:
            return f"{error}; kept as {set_aside(self.record).name}"
        return None

    def _read_record(self) -> RunRecord | None:
        try:
            text = self.record.read_text("utf-8")
        except (FileNotFoundError, NotADirectoryError):
            return None
        except UnicodeDecodeError:
            raise CorruptError(self.record, "is not text") from None
        except IsADirectoryError:
            raise CorruptError(self.record, "is a folder") from None
        except OSError as error:
            raise StoreError(f"{self.record}: cannot be read: {error.strerror}") from None
        try:
            record = RunRecord.from_json(text, "")
        except NewerError:
            raise NewerError(f"{self.record}: was made by a newer spikebench than this one; upgrade") from None
        except RecordError as error:
            raise CorruptError(self.record, str(error).removeprefix(": ").removeprefix("corrupt: ")) from None
        if record.key != self.path.name:
            raise CorruptError(self.record, f"is the record of another run, {record.key:.40}")
        return record


class Store:
    """All runs below one folder."""

    def __init__(self, root: Path = RUNS) -> None:
        self.root = root

    def folder(self, run: PlannedRun) -> RunFolder:
        """Return the directory of a planned run."""
        return RunFolder(self.root / run.suite / run.key)

    def state(self, run: PlannedRun) -> State:
        """Say how far a run is; raises nothing. A record measured otherwise than the suite now asks is partial."""
        folder = self.folder(run)
        try:
            record = folder.check()
        except CorruptError:
            return State.CORRUPT
        except BenchError:  # `remark` says why
            return State.UNREADABLE
        if record is not None:
            if not _is_measured(record, run):
                return State.FAILED if folder.failure.is_file() else State.PARTIAL
            current = record.digests is not None and record.digests.code == provenance.code_digest(run.spec)
            return State.DONE if current else State.STALE
        if folder.failure.is_file():
            return State.FAILED
        begun = folder.checkpoint.is_file() or folder.older_checkpoint.is_file()
        return State.PARTIAL if begun else State.MISSING

    def remark(self, run: PlannedRun) -> str:
        """Return what there is to know of a run beside its state: who executes it, what is damaged, why it failed."""
        folder = self.folder(run)
        holder = folder.executed_by()
        remarks = [f"executed by {holder.words}"] if holder else []
        try:
            record = folder.check()
            if record is None and (failed := last_failure(run, folder)):
                remarks.append(str(failed.error))
            if record is not None and record.dead:
                remarks.append(f"dead: no neuron fired in {', '.join(record.dead)}")
        except BenchError as error:
            remarks.append(str(error))
        if folder.to_begin_afresh:
            remarks.append("to be trained from the start, as was asked")
        return "; ".join(remarks)

    def collect(self, suite: Suite, reports: Path = REPORTS) -> list[RunRecord]:
        """Return the records of a suite's runs: what this store holds, else what the committed report has."""
        committed = {record.key: record for record in read_records(reports / suite.name / "records.jsonl")}
        found = []
        for run in suite.runs:
            folder = self.folder(run)
            try:
                record = folder.check()
            except BenchError as error:
                record = committed.get(run.key) or failed_record(run, str(error))
            else:
                if record is None or not _is_measured(record, run):
                    record = last_failure(run, folder) or record or committed.get(run.key)
            if record is not None:
                found.append(record.model_copy(update={"label": run.label}))
        return found


def _is_measured(record: RunRecord, run: PlannedRun) -> bool:
    """Whether a record holds what the suite now asks to measure, with today's code of the neuron that is deployed."""
    if record.measure_key != run.measure_key:
        return False
    deploy, deployed = run.measure.deploy, record.deployed
    return deploy is None or (deployed is not None and deployed.code == provenance.neuron_digest(deploy))


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


def last_failure(run: PlannedRun, folder: RunFolder) -> RunRecord | None:
    """Return what is left of a run's last attempt, if that failed."""
    try:
        reason = json.loads(folder.failure.read_text("utf-8"))["error"]
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError, LookupError, TypeError, RecursionError):
        reason = f"{folder.failure}: corrupt: does not say why the run failed; run the suite again"
    return failed_record(run, str(reason))


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
