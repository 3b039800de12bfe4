"""A learning rate that rises and falls once."""

from __future__ import annotations

import math

from bench.train.schedules.base import Schedule


class OneCycle(Schedule):
    """One-cycle (Smith & Topin 2018): from 1/25 of the learning rate to the rate and down to 1/250,000, every step.

    warmup_fraction: the rising part of the whole training.
    """

    name = "one-cycle"

    def __init__(self, *, warmup_fraction: float = 0.3) -> None:
        super().__init__()
        self.warmup_fraction = warmup_fraction

    def after_warmup(self, step: int, epochs: int, steps: int) -> float:
        """Return the cosine arc that the step lies on."""
        total = max(1, epochs * steps - 1)
        peak = self.warmup_fraction * total
        if step <= peak:
            return _cosine(1 / 25, 1.0, step / max(peak, 1e-9))
        return _cosine(1.0, 1 / 250_000, min(1.0, (step - peak) / max(total - peak, 1e-9)))


def _cosine(start: float, end: float, fraction: float) -> float:
    return end + (start - end) * (1 + math.cos(math.pi * fraction)) / 2
