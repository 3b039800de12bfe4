"""How the learning rate moves."""

from __future__ import annotations

from collections.abc import Callable

from bench.suite.recipe import ScheduleSpec
from bench.train.schedules.base import Schedule


def schedule_factor(spec: ScheduleSpec, epochs: int, steps: int) -> Callable[[int], float]:
    """Return step -> multiple of the learning rate, for a training of `epochs` with so many `steps` each."""
    schedule: Schedule = spec.made()
    return lambda step: schedule.factor(step, epochs, steps)
