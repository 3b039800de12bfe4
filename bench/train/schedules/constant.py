"""A learning rate that stays."""

from __future__ import annotations

from bench.train.schedules.base import Schedule


class Constant(Schedule):
    """The learning rate itself, after `warmup_epochs` of linear rise."""

    name = "constant"

    def after_warmup(self, step: int, epochs: int, steps: int) -> float:
        """Return 1."""
        return 1.0
