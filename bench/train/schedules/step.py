"""A learning rate that falls in steps."""

from __future__ import annotations

from bench.train.schedules.base import Schedule


class Step(Schedule):
    """Multiplied by `gamma` at each of the `milestones` (epochs), after `warmup_epochs` of linear rise.

    It moves once an epoch, as torch's MultiStepLR does in the published recipes.
    """

    name = "step"

    def __init__(self, *, milestones: list[int], gamma: float = 0.1, warmup_epochs: int = 0) -> None:
        super().__init__(warmup_epochs=warmup_epochs)
        self.milestones, self.gamma = milestones, gamma

    def after_warmup(self, step: int, epochs: int, steps: int) -> float:
        """Return gamma to the power of the milestones passed."""
        return float(self.gamma ** sum(step // steps >= milestone for milestone in self.milestones))
