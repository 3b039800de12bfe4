"""A pool of worker processes: starts them, listens to them, and stops them in order."""

from __future__ import annotations

import contextlib
import queue
import signal
import subprocess
import threading
import time
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from pydantic import ValidationError

from bench.errors import StoreError
from bench.execute.interrupts import Terminated
from bench.execute.messages import Event, Job
from bench.execute.plan import Outcome, Settings, Todo, Watcher
from bench.execute.processes import last_words, start_worker, tail
from bench.store.failures import write_failure
from bench.store.store import State, Store

ELSEWHERE_EVERY_S = 1.0  # between looks at runs that other processes execute

MOST_RESTARTS = 3  # of a run whose worker is stopped from outside

READ_GRACE_S = 5.0

STOP_GRACE_S = 60.0  # a step of a large network on a CPU takes seconds, and the checkpoint some more


@dataclass
class _Running:
    todo: Todo
    process: subprocess.Popen[str]
    device: str
    last: Event | None = None
    reader: threading.Thread | None = None
    killed: bool = False  # by this process, for it did not end in time


@dataclass
class Pool:
    """Executes runs, `jobs` at once, each in its own process, and waits for those that others execute."""

    store: Store
    settings: Settings
    devices: list[str]
    jobs: int
    watch: Watcher
    events: queue.SimpleQueue[tuple[_Running, Event | None]] = field(default_factory=queue.SimpleQueue)
    running: list[_Running] = field(default_factory=list)
    waiting: deque[Todo] = field(default_factory=deque)
    elsewhere: list[Todo] = field(default_factory=list)  # runs that other processes execute
    done: int = 0
    failed: list[str] = field(default_factory=list)
    restarts: Counter[str] = field(default_factory=Counter)  # by key: workers that stopped though nobody asked here

    def execute(self, todos: Sequence[Todo]) -> Outcome:
        """Execute what nobody else has done meanwhile. Raises StoreError, the workers stopped, when it cannot write."""
        for todo in todos:
            folder = self.store.folder(todo.run)
            if todo.afresh and folder.last_result_ns == todo.last_result_ns:  # nobody has done it meanwhile
                folder.ask_afresh()
        # The longest first, as far as timesteps tell, so that no long one is left alone at the end.
        self.waiting.extend(sorted(todos, key=lambda todo: -todo.run.spec.timesteps))
        try:
            while self.waiting or self.running or self.elsewhere:
                while self.waiting and len(self.running) < self.jobs:
                    self._begin(self.waiting.popleft())
                free = [todo for todo in self.elsewhere if self.store.folder(todo.run).executed_by() is None]
                self.elsewhere = [todo for todo in self.elsewhere if todo not in free]
                self.waiting.extend(free)
                ended = self._next_end(ELSEWHERE_EVERY_S if self.elsewhere or self.waiting else None)
                if ended is not None:
                    self._settle(ended)
        except KeyboardInterrupt as asked:
            killed = self._stop_all()
            self._drain()
            saved = sum(self.store.state(todo.run) is State.PARTIAL for todo in todos)
            terminated = isinstance(asked, Terminated)
            return Outcome(self.done, tuple(self.failed), True, terminated, saved, killed)
        except StoreError:
            self._stop_all()
            raise
        return Outcome(self.done, tuple(self.failed))

    def _begin(self, todo: Todo) -> None:
        holder = self.store.folder(todo.run).executed_by()
        if holder is None:
            self.running.append(self._start(todo))
        else:
            self.watch(todo, Event(kind="busy", error=f"{holder.words} executes it; waiting for it"))
            self.elsewhere.append(todo)

    def _settle(self, ended: _Running) -> None:
        last = ended.last
        assert last
        if last.kind == "done":
            self.done += 1
        elif last.kind == "busy" or (last.kind == "interrupted" and self.restarts[ended.todo.run.key] < MOST_RESTARTS):
            # Somebody else has it, or asked the worker alone to stop; it is looked at again.
            self.restarts[ended.todo.run.key] += last.kind == "interrupted"
            self.elsewhere.append(ended.todo)
        else:
            run = ended.todo.run
            self.failed.append(f"{run.label} seed {run.seed}: {last.error or last.kind}")

    def _drain(self) -> None:
        """Take in what the workers said while they were stopped."""
        for running in self.running:
            if running.reader is not None:
                running.reader.join(READ_GRACE_S)
        while self.running and (ended := self._next_end(0.0)) is not None:
            if ended.last is not None and ended.last.kind in ("done", "failed"):
                self._settle(ended)

    def _start(self, todo: Todo) -> _Running:
        folder, run = self.store.folder(todo.run), todo.run
        device = min(self.devices, key=lambda name: sum(other.device == name for other in self.running))
        folder.make()
        job = self._job(todo, device)
        with folder.open_log() as log:
            try:  # Ctrl-C reaches this process, which then stops the workers in order
                process = start_worker("bench.execute.worker", device, log, own_session=True)
            except OSError as error:
                raise StoreError(f"{run.label} seed {run.seed}: no process can be started: {error.strerror}") from None
        assert process.stdin
        with contextlib.suppress(BrokenPipeError):  # it died at once: its exit code and log say why
            process.stdin.write(job.model_dump_json() + "\n")
            process.stdin.flush()  # and left open: the worker ends when this process does
        running = _Running(todo, process, device)
        running.reader = threading.Thread(target=self._read, args=(running,), daemon=True)
        running.reader.start()
        return running

    def _job(self, todo: Todo, device: str) -> Job:
        run = todo.run
        return Job(
            suite=run.suite,
            label=run.label,
            seed=run.seed,
            spec=run.spec,
            measure=run.measure,
            folder=str(self.store.folder(run).path),
            data=str(self.settings.data),
            offline=True,  # the data is there: _prepare_data saw to it
            device=device,
            path=self.settings.path,
            profile=self.settings.profile,
            last_result_ns=todo.last_result_ns,
        )

    def _read(self, running: _Running) -> None:
        assert running.process.stdout
        try:
            for line in running.process.stdout:
                try:
                    event = Event.model_validate_json(line)
                except ValidationError:  # printed by a library before the worker could redirect it
                    continue
                self.events.put((running, event))
            running.process.wait()
            running.process.stdout.close()
            if running.process.stdin:
                with contextlib.suppress(BrokenPipeError):
                    running.process.stdin.close()
        finally:  # whatever happens, the pool must not wait for ever
            self.events.put((running, None))

    def _next_end(self, patience_s: float | None) -> _Running | None:
        """Return the next run that ends; None where there is none, or none ends within `patience_s`."""
        if not self.running and patience_s is None:
            return None
        deadline = None if patience_s is None else time.monotonic() + patience_s
        while True:
            try:
                running, event = self.events.get(
                    timeout=None if deadline is None else max(0.0, deadline - time.monotonic())
                )
            except queue.Empty:
                return None
            if event is None:
                self.running.remove(running)
                if running.last is None or not running.last.final:
                    running.last = self._died(running)
                    self.watch(running.todo, running.last)
                return running
            if running.last is None or not running.last.final:
                running.last = event
            self.watch(running.todo, event)

    def _died(self, running: _Running) -> Event:
        """Say why a worker ended without a word, and leave it in the run's folder where the worker could not."""
        if running.killed:
            return Event(kind="interrupted", error="killed before it could save")
        folder = self.store.folder(running.todo.run)
        printed = tail(folder.log)
        error = last_words(running.process.returncode, printed)
        with contextlib.suppress(StoreError), folder.lock():  # another has it, or the disk is full; it is said anyway
            last, planned = folder.last_result_ns, running.todo.last_result_ns
            if last is None or (planned is not None and last <= planned):
                write_failure(folder, error, printed)
        return Event(kind="failed", error=error)

    def _stop_all(self) -> int:
        """Ask every worker to save and end; end by force those that do not, and return how many those were."""
        killed = 0
        for running in self.running:
            running.process.send_signal(signal.SIGTERM)
        deadline = time.monotonic() + STOP_GRACE_S
        for running in self.running:
            try:
                _wait(running.process, deadline)
            except (subprocess.TimeoutExpired, KeyboardInterrupt):
                running.killed = True
                running.process.kill()
                running.process.wait()
                killed += 1
        return killed


def _wait(process: subprocess.Popen[str], deadline: float) -> None:
    """Wait for a process that was asked to end; a SIGTERM meanwhile hurries nobody, a Ctrl-C does."""
    while True:
        try:
            process.wait(max(0.1, deadline - time.monotonic()))
        except Terminated:
            continue
        return
