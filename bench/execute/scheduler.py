"""What is executed when, and how the runs ended: policy alone, over an engine that executes and a store that knows."""

from __future__ import annotations

import contextlib
import time
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from bench.errors import StoreError
from bench.execute.executor import Executor, Remembering
from bench.execute.interrupts import Terminated
from bench.execute.messages import Event
from bench.execute.plan import Observer, Outcome, Settings, Todo
from bench.execute.workload import work_of
from bench.store.failures import write_failure
from bench.store.store import State, Store


@dataclass
class Scheduler:
    """Executes runs, as many at once as the engine takes, and waits for those that other commands execute."""

    store: Store
    settings: Settings
    engine: Executor
    observe: Observer
    elsewhere_every_s: float = 1.0  # between looks at runs that other processes execute
    most_restarts: int = 3  # of a run whose worker is stopped from outside, and has saved nothing new
    stop_grace_s: float = 60.0  # a step of a large network on a CPU takes seconds, and the checkpoint some more
    waiting: deque[Todo] = field(default_factory=deque)
    running: dict[str, Todo] = field(default_factory=dict)  # by the job's key
    elsewhere: list[Todo] = field(default_factory=list)  # runs that other processes execute
    done: int = 0
    failed: list[str] = field(default_factory=list)
    restarts: Counter[str] = field(default_factory=Counter)  # by key: workers that stopped though nobody asked here
    saved: dict[str, int | None] = field(
        default_factory=dict
    )  # by key: when the checkpoint it went on from was written
    stepped: set[str] = field(default_factory=set)  # keys of running jobs that have made a step

    def execute(self, todos: Sequence[Todo]) -> Outcome:
        """Execute what nobody else has done meanwhile. Raises StoreError, the workers stopped, when it cannot write."""
        self._queue(todos)
        try:
            while self.waiting or self.running or self.elsewhere:
                while self.waiting and len(self.running) < self.engine.slots:
                    self._begin(self.waiting.popleft())
                free = [todo for todo in self.elsewhere if self.store.folder(todo.run).executed_by() is None]
                self.elsewhere = [todo for todo in self.elsewhere if todo not in free]
                self.waiting.extendleft(reversed(free))  # begun already, perhaps: not behind all others
                self._hear_an_end(self.elsewhere_every_s if self.elsewhere or self.waiting else None)
        except KeyboardInterrupt as asked:
            killed = self.engine.stop(self.stop_grace_s)
            self._hear_the_last()
            saved = sum(self.store.state(todo.run) is State.PARTIAL for todo in todos)
            terminated = isinstance(asked, Terminated)
            return Outcome(self.done, tuple(self.failed), True, terminated, saved, len(killed))
        except BaseException:  # a record or a line that cannot be written, or nobody reads what is printed
            self.engine.stop(self.stop_grace_s)
            raise
        return Outcome(self.done, tuple(self.failed))

    def hand_over(self, todos: Sequence[Todo]) -> None:
        """Start what nobody else executes, and hear nothing of it. Raises StoreError when that is impossible."""
        self._queue(todos)
        while self.waiting:
            self._begin(self.waiting.popleft())

    def attend(self, todos: Sequence[Todo]) -> Outcome:
        """Hear runs that the engine has already to their end; a Ctrl-C ends the hearing and none of them."""
        self.running = {todo.key: todo for todo in todos}
        try:
            while self.running:
                self._hear_an_end(None)
        except KeyboardInterrupt as asked:
            return Outcome(self.done, tuple(self.failed), True, isinstance(asked, Terminated))
        return Outcome(self.done, tuple(self.failed))

    def _queue(self, todos: Sequence[Todo]) -> None:
        for todo in todos:
            folder = self.store.folder(todo.run)
            if todo.afresh and not folder.changed_since(todo.seen):  # nobody has done it meanwhile
                folder.ask_afresh()
        # The longest first, so that no long one is left alone at the end.
        self.waiting.extend(sorted(todos, key=lambda todo: -work_of(todo.run.spec)))

    def _begin(self, todo: Todo) -> None:
        job = todo.job(self.store, self.settings)
        holder = self.store.folder(todo.run).executed_by()
        called = self.engine.called(job) if isinstance(self.engine, Remembering) else ""
        if called:
            self.observe(todo, Event(kind="note", error=f"submitted before, {called}"))
        if called or holder is None:
            self.running[todo.key] = todo
            self.saved[todo.key] = self.store.folder(todo.run).saved_ns()
            self.stepped.discard(todo.key)
            self.engine.start(job)
        else:
            self.observe(todo, Event(kind="busy", error=f"{holder.words} executes it; waiting for it"))
            self.elsewhere.append(todo)

    def _hear_an_end(self, patience_s: float | None) -> None:
        """Listen until a run ends, at most for `patience_s`."""
        if not self.running and patience_s is None:
            return
        deadline = None if patience_s is None else time.monotonic() + patience_s
        while True:
            left_s = None if deadline is None else max(0.0, deadline - time.monotonic())
            heard = self.engine.hear(left_s)
            if heard is None:
                return
            todo, event = self._take(*heard)
            if event.final:
                self._settle(todo, event)
                return

    def _hear_the_last(self) -> None:
        """Take in what the workers said while they were stopped."""
        while self.running and (heard := self.engine.hear(0.0)) is not None:
            todo, event = self._take(*heard)
            if event.kind in ("done", "failed"):
                self._settle(todo, event)

    def _take(self, key: str, event: Event) -> tuple[Todo, Event]:
        todo = self.running.pop(key) if event.final else self.running[key]
        if event.kind == "progress":
            self.stepped.add(key)
        if event.printed is not None:
            self._keep_failure(todo, event.error, event.printed)
        self.observe(todo, event)
        return todo, event

    def _settle(self, todo: Todo, end: Event) -> None:
        if end.kind == "interrupted" and self._has_gone_on(todo):
            self.restarts[todo.key] = 0
        if end.kind == "done":
            self.done += 1
        elif end.kind == "busy":
            self.elsewhere.append(todo)
        elif end.kind == "interrupted" and self.restarts[todo.key] < self.most_restarts:
            self.restarts[todo.key] += 1  # somebody else asked the worker alone to stop, or its machine is gone
            self.waiting.appendleft(todo)
        else:
            self.failed.append(f"{todo.run.label} seed {todo.run.seed}: {end.error or end.kind}")

    def _has_gone_on(self, todo: Todo) -> bool:
        """Whether a run has made a step since it began here and saved it: its next worker begins further on."""
        saved = self.store.folder(todo.run).saved_ns()
        return todo.key in self.stepped and saved is not None and saved != self.saved[todo.key]

    def _keep_failure(self, todo: Todo, error: str, printed: str) -> None:
        """Leave the reason of a death in the run's folder, which the worker could not."""
        folder = self.store.folder(todo.run)
        with contextlib.suppress(StoreError), folder.lock():  # another has it, or the disk is full; it is said anyway
            if not folder.changed_since(todo.seen):
                write_failure(folder, error, printed)
