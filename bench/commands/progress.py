"""What a user sees while runs execute: one live bar per process on a terminal, plain lines elsewhere."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn

from bench.commands.estimate import Estimate, duration
from bench.execute.messages import Event
from bench.execute.plan import Todo

PLAIN_LINE_EVERY_S = 10.0
DAYS_S = 86_400.0


class _Notes(logging.Handler):
    """Prints what the package says while it works, as on long preparations of data."""

    def __init__(self, console: Console) -> None:
        super().__init__(logging.INFO)
        self.console = console

    def emit(self, record: logging.LogRecord) -> None:
        self.console.print(record.getMessage(), markup=False, highlight=False, soft_wrap=True)


class Board:
    """Draws the progress of runs, `jobs` at once, on a console; `oddities` says what is wrong with a finished one."""

    def __init__(
        self,
        console: Console,
        todos: Sequence[Todo],
        jobs: int,
        first_estimate_after_s: float = 5.0,
        oddities: Callable[[Todo], str] = lambda todo: "",
    ) -> None:
        self.oddities = oddities
        self.console, self.jobs, self.first_estimate_after_s = console, jobs, first_estimate_after_s
        self.estimate = Estimate(todos, jobs)
        self.live: Progress | None = None
        self.tasks: dict[str, TaskID] = {}
        self.spoke: dict[str, float] = {}
        self.began = time.monotonic()
        self.announced = False
        self.total = len(todos)
        self.ended = 0
        self.notes = _Notes(console)
        self.logger = logging.getLogger("bench")
        self.level = self.logger.level

    def __enter__(self) -> Board:
        self.logger.addHandler(self.notes)
        self.logger.setLevel(logging.INFO)
        if self.console.is_terminal:
            self.live = Progress(
                TextColumn("{task.description}", markup=False),
                BarColumn(bar_width=24),
                TextColumn("{task.fields[detail]}", markup=False),
                console=self.console,
                transient=True,
            )
            self.live.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self.logger.removeHandler(self.notes)
        self.logger.setLevel(self.level)
        if self.live:
            self.live.stop()

    def __call__(self, todo: Todo, event: Event) -> None:
        """Show what a run says."""
        self.estimate.update(todo, event)
        if event.kind == "progress":
            self._progress(todo, event)
            self._announce()
            return
        if event.kind in ("note", "busy"):
            self.console.print(f"{_name(todo)}: {event.error}", markup=False, highlight=False, soft_wrap=True)
            return
        self.ended += event.kind == "done"
        if self.live and todo.key in self.tasks:
            self.live.remove_task(self.tasks.pop(todo.key))
        odd = self.oddities(todo) if event.kind == "done" else ""
        said = {"done": f"done, {odd}" if odd else "done", "interrupted": "stopped, can go on"}
        words = said.get(event.kind, f"{event.kind}: {event.error}")
        self.console.print(f"{_name(todo)}: {words}  [{self.ended} of {self.total}]", markup=False, highlight=False)

    def _progress(self, todo: Todo, event: Event) -> None:
        key, name = todo.key, _name(todo)
        done = (event.epoch - 1) * event.steps + event.step
        detail = (
            f"epoch {event.epoch}/{event.epochs}  loss {event.loss:.3f}  acc {event.accuracy_fraction:6.1%}  "
            f"{event.images_per_s:.0f} images/s  {duration(event.seconds_left)} left"
        )
        if self.live:
            if key not in self.tasks:
                self.tasks[key] = self.live.add_task(name, total=event.epochs * event.steps, detail=detail)
            self.live.update(self.tasks[key], completed=done, detail=detail)
            return
        now = time.monotonic()
        if now - self.spoke.get(key, self.began) >= PLAIN_LINE_EVERY_S:
            self.spoke[key] = now
            self.console.print(f"{name}: {detail}", markup=False, highlight=False, soft_wrap=True)

    def _announce(self) -> None:
        """Say once, after the first seconds of real training, how long the whole will take."""
        if self.announced or len(self.estimate.latest) < min(self.jobs, self.total):
            return
        remaining = self.estimate.remaining_s()
        if remaining is None or time.monotonic() - self.began < self.first_estimate_after_s:
            return
        self.announced = True
        text = f"estimate: about {duration(remaining)} for what is left"
        smaller = {todo.suite.spec.smaller for todo in self.estimate.todos} - {None}
        if remaining > DAYS_S and smaller:
            text += (
                f"; too long on this device? suites/{', '.join(sorted(map(str, smaller)))}.toml is its small version"
            )
        self.console.print(text, markup=False, highlight=False, soft_wrap=True)


def _name(todo: Todo) -> str:
    return f"{todo.run.suite}/{todo.run.label} seed {todo.run.seed}"
