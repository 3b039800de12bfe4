"""The far end of a run: a process on a node executes it in a folder of its own, and sends what it says and writes.

The run itself works as on any machine, in a worker of the local engine. That engine stays for the next run, so that
torch is imported once.
"""

from __future__ import annotations

import contextlib
import functools
import os
import shutil
import socket
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from bench.errors import BenchError
from bench.execute.afar import Order, Parcel, digest_of, files_of
from bench.execute.engines.local import Local
from bench.execute.messages import Event, Job, path_of_text
from bench.execute.plan import Settings
from bench.plugins.trust import trusting
from bench.store.folder import RunFolder

LOOK_EVERY_S = 0.25  # at what a run has written
LOG_BYTES = 2**18  # of a log in one parcel
SCRATCH = "spikebench-run-"

Asked = Callable[[], float | None]  # the seconds that a run has to save and end, once it is asked to


def execute(order: Order, asked: Asked) -> Iterator[Parcel]:
    """Execute an order, and yield what the run says and writes as it does so; its last event is the last of all.

    Whoever takes the parcels sets the pace: nothing but the newest checkpoint and the newest progress waits for it.
    """
    job, host = Job.model_validate_json(order.job), socket.gethostname()
    yield _said(Event(kind="note", error=f"works on {host}, process {os.getpid()}"))
    _go_to(order.paths)
    try:
        with trusting(job.trust):
            _check_code(job, order.code)
        engine = engine_on(job.device)
    except BenchError as error:
        yield _said(Event(kind="failed", error=f"{host}: {error}"))
        return
    sweep()
    with tempfile.TemporaryDirectory(prefix=f"{SCRATCH}{os.getpid()}-") as scratch:
        folder = RunFolder(Path(scratch) / "runs" / job.suite / job.spec.key)
        folder.make()
        if order.checkpoint is not None:
            folder.checkpoint.write_bytes(order.checkpoint)
        yield from _executed(engine, job.model_copy(update={"folder": str(folder.path)}), folder, asked)


def _executed(engine: Local, job: Job, folder: RunFolder, asked: Asked) -> Iterator[Parcel]:
    courier, stopped = Courier(folder), False
    engine.start(job)
    while True:
        events = heard_from(engine)
        if events and events[-1].final:
            break
        parcel = courier.parcel(events)
        if parcel is not None:
            yield parcel
        grace_s = asked()
        if grace_s is not None and not stopped:
            stopped = True
            engine.stop(grace_s)
    while log := courier.log():
        yield Parcel(log=log)
    yield courier.parcel(events, whole=True) or Parcel()


def heard_from(engine: Local) -> list[Event]:
    """Return what the worker says within a moment; of its progress the newest alone."""
    deadline, events = time.monotonic() + LOOK_EVERY_S, list[Event]()
    while (heard := engine.hear(max(0.0, deadline - time.monotonic()))) is not None:
        if events and events[-1].kind == heard[1].kind == "progress":
            events.pop()
        events.append(heard[1])
        if heard[1].final:
            break
    return events


class Courier:
    """Knows what of a run's folder was sent, and so what is new."""

    def __init__(self, folder: RunFolder) -> None:
        self._folder, self._log_bytes = folder, 0
        self._sent = {path: _mark(path) for path in files_of(folder)}

    def parcel(self, events: list[Event], *, whole: bool = False) -> Parcel | None:
        """Return what is new with these events, None where nothing is. Before the run has ended the checkpoint alone.

        whole: the run has ended, so that all its files are as they will stay.
        """
        paths = files_of(self._folder) if whole else [self._folder.checkpoint]
        parcel = Parcel(tuple(event.model_dump_json() for event in events), self.log(), dict(self._files(paths)))
        return parcel if parcel != Parcel() else None

    def log(self) -> bytes:
        """Return what is new in the log, some of it where that is much."""
        with contextlib.suppress(OSError), self._folder.log.open("rb") as log:
            log.seek(self._log_bytes)
            text = log.read(LOG_BYTES)
            self._log_bytes += len(text)
            return text
        return b""

    def _files(self, paths: list[Path]) -> Iterator[tuple[str, bytes]]:
        for path in paths:
            mark = _mark(path)
            if mark is not None and mark != self._sent[path]:
                with contextlib.suppress(OSError):  # a newer one takes its place now
                    yield path.name, path.read_bytes()
                    self._sent[path] = mark


def _mark(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns


def _said(event: Event) -> Parcel:
    return Parcel((event.model_dump_json(),))


@functools.cache
def engine_on(device: str) -> Local:
    """Return the engine that this process keeps for a device."""
    return Local(_settings=Settings(device=device, jobs=1))


@functools.cache
def _go_to(paths: tuple[str, ...]) -> None:
    """Work where a worker of the one who gave the order would, and find modules where it would, as far as they are."""
    here = [str(path) for path in map(path_of_text, paths) if path.is_dir()]
    if paths and path_of_text(paths[0]).is_dir():
        os.chdir(path_of_text(paths[0]))
    sys.path[:0] = [path for path in here if path not in sys.path]
    others = filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))
    os.environ["PYTHONPATH"] = os.pathsep.join(dict.fromkeys((*here, *others)))


def _check_code(job: Job, expected: str) -> None:
    """Raise BenchError where the run would be of other code than it was planned with."""
    here = digest_of(job.spec)
    if here != expected:
        raise BenchError(
            f"has other code for {job.label} than the command ({here} here, {expected} there); install the same there"
        )


def sweep() -> None:
    """Remove the folders of runs whose process was killed."""
    for left in Path(tempfile.gettempdir()).glob(f"{SCRATCH}*-*"):
        pid = left.name.removeprefix(SCRATCH).partition("-")[0]
        if pid.isdecimal() and not Path(f"/proc/{pid}").exists():
            shutil.rmtree(left, ignore_errors=True)
