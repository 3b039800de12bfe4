"""A run that works on another node while its folder lies here: what goes there, what comes back, and who writes it.

No file is shared. The run's checkpoint travels with the order; what the run writes on its node comes back in parcels,
and the process that gave the order, which holds the run's lock all the while, writes it into the store.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from bench.errors import CorruptError, RecordError
from bench.execute.messages import Event, Job, path_of_text, path_to_text
from bench.execute.work import clear_the_way, ended_by_another
from bench.files.durable import atomic_write, check_sealed
from bench.records.record import RunRecord
from bench.runs.provenance import code_digest
from bench.store.folder import UNSEEN, RunFolder
from bench.store.newest import newest, put_newest
from bench.suite.run_spec import RunSpec


def digest_of(spec: RunSpec) -> str:
    """Return the digest of the code that a run is of, as this process has found it first."""
    plugins = repr(spec.plugins)
    if plugins not in _digests:
        _digests[plugins] = code_digest(spec)
    return _digests[plugins]


_digests: dict[str, str] = {}


@dataclass(frozen=True)
class Order:
    """A job as a node gets it, with what it needs of the run's folder."""

    job: str  # as JSON, with the device of the node, which sees to the data itself
    code: str  # digest of the code that the run is of, which must be the node's too
    checkpoint: bytes | None = None  # the file to go on from
    paths: tuple[str, ...] = ()  # where Python looks for modules first; the working directory is the first of them


@dataclass(frozen=True)
class Parcel:
    """What a run has said and written since the last one: events as JSON, text of its log, whole files by name."""

    events: tuple[str, ...] = ()
    log: bytes = b""
    files: Mapping[str, bytes] = field(default_factory=dict)


def files_of(folder: RunFolder) -> list[Path]:
    """Return the files of a run that travel, in the order in which they are to be written: its record is the last."""
    trace = folder.profile.with_suffix(".json")
    return [folder.checkpoint, folder.profile, trace, folder.failure, folder.record]


def python_paths() -> tuple[str, ...]:
    """Return where a process started here would look for modules first: the working directory, then PYTHONPATH."""
    said = filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))
    return tuple(path_to_text(Path(path).absolute()) for path in (".", *said))


class HeldRun:
    """The folder of a run that works elsewhere, held for it: nobody else writes there until `free`."""

    def __init__(self, job: Job) -> None:
        """Take the run's lock. Raises BusyError where another process has it, StoreError for a folder that is shut."""
        self.job, self.folder = job, RunFolder(Path(job.folder))
        self.lock = self.folder.lock()
        self.lock.__enter__()
        self.notes: list[str] = []

    def free(self) -> None:
        """Let others have the run."""
        self.lock.__exit__()

    def order(self, device: str, offline: bool) -> Order | Event:
        """Return what a node is to be told, or how another process has ended the run since it was planned.

        Raises BenchError where the folder cannot be made ready, or the code of the run's plug-ins not be found.
        """
        ended = ended_by_another(self.job, self.folder)
        if ended is not None:
            return ended
        clear_the_way(self.folder, lambda event: self.notes.append(event.error))
        self.folder.open_log().close()  # an older profile goes
        checkpoint, wrong = newest(self.folder)
        self.notes += wrong
        data = path_to_text(path_of_text(self.job.data).absolute())
        job = self.job.model_copy(update={"device": device, "data": data, "offline": offline, "seen": UNSEEN})
        return Order(job.model_dump_json(), digest_of(job.spec), checkpoint, python_paths())

    def take(self, parcel: Parcel) -> list[Event]:
        """Write what a parcel holds, and return its events.

        Raises LostError where another process has taken the run over, StoreError where something cannot be written.
        """
        self.lock.check()
        if parcel.log:
            with contextlib.suppress(OSError), self.folder.log.open("ab") as log:  # a full disk, of which others tell
                log.write(parcel.log)
        for path in files_of(self.folder):
            if path.name in parcel.files:
                self._write(path, parcel.files[path.name])
        return [Event.model_validate_json(event) for event in parcel.events]

    def _write(self, path: Path, content: bytes) -> None:
        if path == self.folder.checkpoint:
            check_sealed(path, content)
            put_newest(path, [content])
        elif path == self.folder.record:
            try:
                record = RunRecord.from_json(content.decode("utf-8"), "")
            except (RecordError, UnicodeDecodeError) as error:
                raise CorruptError(path, f"came so from its node: {error}") from None
            if record.key != self.job.spec.key:
                raise CorruptError(path, f"came from its node as the record of another run, {record.key:.40}")
            self.folder.write_record(record)
        else:
            atomic_write(path, content)
