"""One run's directory, and how its files are written so that they never lie."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from bench.errors import CorruptError, NewerError, RecordError, StoreError
from bench.files.durable import atomic_write, check_seal, make_folder, set_aside
from bench.files.lock import Holder, Lock, holder_of, is_stale
from bench.records.record import RunRecord

_LOOKS = 5  # at files that may be replaced meanwhile

AFRESH, LOCK = "afresh", "lock"  # asked for in every run of a store: as text, which is found sooner than a path is made

Seen = tuple[int | None, int | None]  # what `RunFolder.seen` returns; nobody else looks into it
UNSEEN: Seen = (None, None)  # as of a folder without any result


def older(checkpoint: Path) -> Path:
    """Return where the checkpoint before that at `checkpoint` is kept."""
    return checkpoint.with_name(f"{checkpoint.stem}.older{checkpoint.suffix}")


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
    def checkpoint(self) -> Path:
        """Model, optimiser, schedule and random-number states."""
        return self.path / "checkpoint.pt"

    @property
    def older_checkpoint(self) -> Path:
        """The checkpoint before that."""
        return older(self.checkpoint)

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
        return self.path / AFRESH

    @property
    def to_begin_afresh(self) -> bool:
        """Whether somebody asked to train from the start, and nobody has begun."""
        return os.path.exists(f"{self.path}/{AFRESH}")

    @property
    def is_begun_afresh(self) -> bool:
        """Whether training from the start is asked for or begun, and not finished."""
        return self.to_begin_afresh or (self.previous_record.exists() and not self.record.exists())

    def seen(self) -> Seen:
        """Return a token of the results that lie here now, a record or the reason of a failure: JSON-ready data."""
        return _written_ns(self.record), _written_ns(self.failure)

    def changed_since(self, seen: Seen) -> bool:
        """Whether a result lies here that did not when `seen` was taken; one that is gone is none."""
        return any(now is not None and now != then for now, then in zip(self.seen(), seen, strict=True))

    def saved_ns(self) -> int | None:
        """Return when the newest checkpoint was written; None where there is none."""
        return _written_ns(self.checkpoint)

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

    def write_record(self, record: RunRecord) -> None:
        """Write the record, which says that the run is done. Raises StoreError when that is impossible."""
        atomic_write(self.record, record.to_json() + "\n")
        with contextlib.suppress(OSError):  # the record counts for more
            self.failure.unlink()

    def write_profile(self, table: str, write_trace: Callable[[str], None]) -> None:
        """Write where the time of a step goes: the table and, beside it, the trace, whose writer is given a path."""
        atomic_write(self.profile, table)
        partial = self.profile.with_suffix(f".{os.getpid()}.json")  # the profiler compresses by the name's ending
        write_trace(str(partial))
        os.replace(partial, self.profile.with_suffix(".json"))

    @property
    def lock_file(self) -> Path:
        """Who executes the run."""
        return self.path / LOCK

    def lock(self, patience_s: float = 0.0) -> Lock:
        """Return the lock that keeps the run for this process, to be held by `with`; see `Lock`."""
        self.make()
        return Lock(self.lock_file, patience_s)

    def executed_by(self) -> Holder | None:
        """Return who executes the run now; None where nobody does, or only a lock is left of whoever did."""
        if not os.path.lexists(f"{self.path}/{LOCK}"):
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


def _written_ns(path: Path) -> int | None:
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return None
