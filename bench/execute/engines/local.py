"""The engine of this machine: every job is a process of its own, beside this one."""

from __future__ import annotations

import contextlib
import math
import queue
import signal
import subprocess
import threading
import time
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, ClassVar

from pydantic import ValidationError

from bench.errors import StoreError
from bench.execute.forks import Forked, Forks
from bench.execute.interrupts import Terminated
from bench.execute.messages import Event, Job
from bench.execute.placement import Placement
from bench.execute.plan import Settings, resources
from bench.execute.processes import HELD_BACK, last_words, start_worker, tail, worker_environment
from bench.store.folder import RunFolder

WORKER = "bench.execute.worker"


class Local:
    """Processes on this machine, shared out over its devices; on a CPU forked from one that has torch.

    A GPU that several runs share takes one more where their memory allows it, see `Placement`; until then a run waits.
    """

    name = "local"
    start_s: ClassVar[float] = 0.5  # of a run, as `plan` reckons: assumed, not measured

    def __init__(
        self, *, module: str = "bench.execute.worker", read_grace_s: float = 5.0, _settings: Settings | None = None
    ) -> None:
        """module: what a process runs.  read_grace_s: how long the last words of a process that is gone may take."""
        self.devices, self.slots = resources(_settings or Settings())
        self._placement = Placement(self.devices, math.ceil(self.slots / len(self.devices)))
        self._waiting: deque[Job] = deque()
        self._stopping = False
        self._module, self._read_grace_s = module, read_grace_s
        self._forks: Forks | None = None
        self._running: list[_Running] = []
        self._said: queue.SimpleQueue[tuple[_Running, Event | None]] = queue.SimpleQueue()

    def start(self, job: Job) -> None:
        """Start a process once a device has room for it. Raises StoreError when that is impossible."""
        self._waiting.append(job)
        self._start_waiting()

    def _start_waiting(self) -> None:
        """Start what has a place now: a later one too, where an earlier has none yet."""
        for _ in range(len(self._waiting)):
            job = self._waiting.popleft()
            device = self._placement.place(job)
            if device is None:
                self._waiting.append(job)
            else:
                self._start(job.model_copy(update={"device": device}))

    def _start(self, job: Job) -> None:
        """Start a process, its standard error in the run's log."""
        folder = RunFolder(Path(job.folder))
        folder.make()
        with folder.open_log() as log:
            try:  # Ctrl-C reaches this process, which then stops the workers in order
                process = self._process(job, log)
            except OSError as error:
                raise StoreError(f"{job.label} seed {job.seed}: no process can be started: {error.strerror}") from None
        assert process.stdin
        with contextlib.suppress(BrokenPipeError):  # it died at once: its exit code and log say why
            process.stdin.write(job.model_dump_json() + "\n")
            process.stdin.flush()  # and left open: the worker ends when this process does
        running = _Running(job, process, folder.log)
        self._running.append(running)
        running.reader = threading.Thread(target=_read, args=(running, self._said), daemon=True)
        running.reader.start()

    def _process(self, job: Job, log: IO[str]) -> subprocess.Popen[str] | Forked:
        """Fork a worker; start a fresh one where it needs a GPU, or an environment that is not that of the others."""
        environment = worker_environment(job.device, portable=job.spec.train.portable)
        if self._module == WORKER and job.device == "cpu":
            if self._forks is None:
                self._forks = Forks(environment, log)
            forked = self._forks.fork(job, log) if self._forks.environment == environment else None
            if forked is not None:
                return forked
        return start_worker(self._module, environment, log, own_session=True)

    def hear(self, patience_s: float | None) -> tuple[str, Event] | None:
        """Return what a worker says; its last word when its process is gone, so that its memory is free again."""
        deadline = None if patience_s is None else time.monotonic() + patience_s
        while True:
            try:
                running, event = self._said.get(
                    timeout=None if deadline is None else max(0.0, deadline - time.monotonic())
                )
            except queue.Empty:
                return None
            if event is None:
                self._running.remove(running)
                return running.job.key, self._ended(running, running.last or running.died())
            if not event.final:
                self._placement.heard(running.job.key, event)
                self._start_waiting()  # a GPU has room for others once it is known how much its runs take
                return running.job.key, event
            running.last = running.last or event

    def _ended(self, running: _Running, event: Event) -> Event:
        """Return what is said of the end of a process: no end, where the run is to be tried again without company."""
        job = running.job
        alone = self._placement.heard(job.key, event)
        if alone and not self._stopping:
            self._waiting.appendleft(job.model_copy(update={"seen": RunFolder(Path(job.folder)).seen()}))
            event = Event(kind="note", error=f"does not fit on {job.device} beside others; tried alone")
        if not self._stopping:
            self._start_waiting()
        return event

    def stop(self, grace_s: float) -> set[str]:
        """Send SIGTERM to every worker, and SIGKILL to those that do not end in time."""
        self._stopping = True
        for running in self._running:
            running.process.send_signal(signal.SIGTERM)
        deadline = time.monotonic() + grace_s
        for running in self._running:
            try:
                _wait(running.process, deadline)
            except (subprocess.TimeoutExpired, KeyboardInterrupt):
                running.killed = True
                running.process.kill()
                running.process.wait()
        for running in self._running:
            if running.reader is not None:  # which ends with the worker, where its exit code is not known either
                unknown = running.process.returncode is None
                running.reader.join(
                    max(self._read_grace_s, deadline - time.monotonic()) if unknown else self._read_grace_s
                )
        return {running.job.key for running in self._running if running.killed}


@dataclass(eq=False)
class _Running:
    job: Job
    process: subprocess.Popen[str] | Forked
    log: Path
    last: Event | None = None  # its final event, once it was said
    reader: threading.Thread | None = field(default=None, repr=False)
    killed: bool = False  # by this process, for it did not end in time

    def died(self) -> Event:
        """Say why it ended without a word."""
        if self.killed:
            return Event(kind="interrupted", error="killed before it could save")
        printed, code = tail(self.log), self.process.returncode
        if code is None or -code in HELD_BACK:  # before it could listen, or with the process that forks: as good as new
            return Event(kind="interrupted", error="ended before it had begun")
        return Event(kind="failed", error=last_words(code, printed), printed=printed)


def _read(running: _Running, said: queue.SimpleQueue[tuple[_Running, Event | None]]) -> None:
    """Hand on what a worker says until its process is gone, and then None."""
    process = running.process
    assert process.stdout
    try:
        for line in process.stdout:
            try:
                event = Event.model_validate_json(line)
            except ValidationError:  # printed by a library before the worker could redirect it
                continue
            said.put((running, event))
        process.wait()
        process.stdout.close()
        if process.stdin:
            with contextlib.suppress(BrokenPipeError):
                process.stdin.close()
    finally:  # whatever happens, nobody must wait for ever
        said.put((running, None))


def _wait(process: subprocess.Popen[str] | Forked, deadline: float) -> None:
    """Wait for a process that was asked to end; a SIGTERM meanwhile hurries nobody, a Ctrl-C does."""
    while True:
        try:
            process.wait(max(0.1, deadline - time.monotonic()))
        except Terminated:
            continue
        return
