"""How the learning rate moves."""

from __future__ import annotations

import math
from collections.abc import Callable

from bench.suite.recipe import ScheduleSpec


def schedule_factor(spec: ScheduleSpec, epochs: int, steps: int) -> Callable[[int], float]:
    """Return step -> multiple of the learning rate.

    Cosine and step move once an epoch, as torch's CosineAnnealingLR and MultiStepLR do in the published recipes;
    one-cycle (Smith & Topin 2018) moves every step, from 1/25 of the rate to the rate and down to 1/250,000.
    """

    def factor(step: int) -> float:
        epoch = step // steps
        if epoch < spec.warmup_epochs:
            return (step + 1) / (spec.warmup_epochs * steps)
        if spec.name == "cosine":
            return (1 + math.cos(math.pi * (epoch - spec.warmup_epochs) / max(1, epochs - spec.warmup_epochs))) / 2
        if spec.name == "step":
            return float(spec.gamma ** sum(epoch >= milestone for milestone in spec.milestones))
        if spec.name == "one-cycle":
            total = max(1, epochs * steps - 1)
            peak = spec.warmup_fraction * total
            if step <= peak:
                return _cosine(1 / 25, 1.0, step / max(peak, 1e-9))
            return _cosine(1.0, 1 / 250_000, min(1.0, (step - peak) / max(total - peak, 1e-9)))
        return 1.0

    return factor


def _cosine(start: float, end: float, fraction: float) -> float:
    return end + (start - end) * (1 + math.cos(math.pi * fraction)) / 2
