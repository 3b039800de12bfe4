"""What a user sees while runs execute: one live bar per process on a terminal, plain lines elsewhere."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn

from bench.execute.messages import Event
from bench.execute.plan import Todo

PLAIN_LINE_EVERY_S = 10.0
FIRST_ESTIMATE_AFTER_S = 5.0
DAYS_S = 86_400.0


@dataclass
class Estimate:
    """Remaining seconds of a whole batch of runs, from what the started ones report.

    A run that has not started is taken to be as fast as another run of its entry, or else as any run, slower in
    proportion to its timesteps.
    """

    todos: Sequence[Todo]
    jobs: int
    latest: dict[str, Event] = field(default_factory=dict)  # by key

    def update(self, todo: Todo, event: Event) -> None:
        """Take in what a run says."""
        if event.kind == "note":
            return
        self.latest[todo.run.key] = event

    def remaining_s(self) -> float | None:
        """Return the seconds left for all runs, or None before the first report."""
        seen = [(todo, self.latest[todo.run.key]) for todo in self.todos if todo.run.key in self.latest]
        rated = [(todo, event) for todo, event in seen if event.kind == "progress" and event.images_per_s > 0]
        if not rated:
            return None
        per_run = [self._run_s(todo, rated) for todo in self.todos if not self._ended(todo)]
        return max(sum(per_run) / self.jobs, max(per_run, default=0.0))

    def _ended(self, todo: Todo) -> bool:
        event = self.latest.get(todo.run.key)
        return event is not None and event.final

    def _run_s(self, todo: Todo, rated: Sequence[tuple[Todo, Event]]) -> float:
        own = self.latest.get(todo.run.key)
        if own is not None:
            return own.seconds_left
        spec = todo.run.spec
        twins = [(other, event) for other, event in rated if other.run.label == todo.run.label] or rated
        other, event = twins[-1]
        image_steps_per_s = event.images_per_s * other.run.spec.timesteps
        images = event.steps * other.run.spec.train.batch_size * spec.train.epochs
        return images * spec.timesteps / image_steps_per_s


class _Notes(logging.Handler):
    """Prints what the package says while it works, as on long preparations of data."""

    def __init__(self, console: Console) -> None:
        super().__init__(logging.INFO)
        self.console = console

    def emit(self, record: logging.LogRecord) -> None:
        self.console.print(record.getMessage(), markup=False, highlight=False, soft_wrap=True)


class Board:
    """Draws the progress of runs on a console."""

    def __init__(self, console: Console, todos: Sequence[Todo], jobs: int) -> None:
        self.console, self.jobs = console, jobs
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
        if self.live and todo.run.key in self.tasks:
            self.live.remove_task(self.tasks.pop(todo.run.key))
        words = {"done": "done", "interrupted": "stopped, can go on"}.get(event.kind, f"{event.kind}: {event.error}")
        self.console.print(f"{_name(todo)}: {words}  [{self.ended} of {self.total}]", markup=False, highlight=False)

    def _progress(self, todo: Todo, event: Event) -> None:
        key, name = todo.run.key, _name(todo)
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
        if remaining is None or time.monotonic() - self.began < FIRST_ESTIMATE_AFTER_S:
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


def duration(seconds: float) -> str:
    """Return seconds as people say them.

    >>> duration(42), duration(600), duration(9000), duration(400_000)
    ('42 s', '10 min', '2.5 h', '4.6 days')
    """
    for limit, unit, size in ((90, "s", 1), (5400, "min", 60), (172_800, "h", 3600)):
        if seconds < limit:
            value = seconds / size
            return f"{value:.1f} {unit}" if unit == "h" else f"{value:.0f} {unit}"
    return f"{seconds / 86_400:.1f} days"
