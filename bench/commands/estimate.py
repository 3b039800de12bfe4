"""How long the runs of a command still take, from what the started ones say."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from bench.execute.messages import Event
from bench.execute.plan import Todo


@dataclass
class Estimate:
    """Remaining seconds of a whole batch of runs, from what the started ones report.

    A run that has not started is taken to be as fast as another run of its entry, or else as any run, slower in
    proportion to its timesteps.
    """

    todos: Sequence[Todo]
    jobs: int
    latest: dict[str, Event] = field(default_factory=dict)  # by the key of a todo

    def update(self, todo: Todo, event: Event) -> None:
        """Take in what a run says."""
        if event.kind == "note":
            return
        self.latest[todo.key] = event

    def remaining_s(self) -> float | None:
        """Return the seconds left for all runs, or None before the first report."""
        seen = [(todo, self.latest[todo.key]) for todo in self.todos if todo.key in self.latest]
        rated = [(todo, event) for todo, event in seen if event.kind == "progress" and event.images_per_s > 0]
        if not rated:
            return None
        per_run = [self._run_s(todo, rated) for todo in self.todos if not self._ended(todo)]
        return max(sum(per_run) / self.jobs, max(per_run, default=0.0))

    def _ended(self, todo: Todo) -> bool:
        event = self.latest.get(todo.key)
        return event is not None and event.final

    def _run_s(self, todo: Todo, rated: Sequence[tuple[Todo, Event]]) -> float:
        own = self.latest.get(todo.key)
        if own is not None:
            return own.seconds_left
        spec = todo.run.spec
        twins = [(other, event) for other, event in rated if other.run.label == todo.run.label] or rated
        other, event = twins[-1]
        image_steps_per_s = event.images_per_s * other.run.spec.timesteps
        images = event.steps * other.run.spec.train.batch_size * spec.train.epochs
        return images * spec.timesteps / image_steps_per_s


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
