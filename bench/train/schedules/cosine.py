"""A learning rate that falls as a cosine does."""

from __future__ import annotations

import math

from bench.train.schedules.base import Schedule


class Cosine(Schedule):
    """Half a cosine from the learning rate to 0, after `warmup_epochs` of linear rise.

    It moves once an epoch, as torch's CosineAnnealingLR does in the published recipes.
    """

    name = "cosine"

    def after_warmup(self, step: int, epochs: int, steps: int) -> float:
        """Return the cosine of the epoch."""
        warmup = self.warmup_epochs
        return (1 + math.cos(math.pi * (step // steps - warmup) / max(1, epochs - warmup))) / 2
