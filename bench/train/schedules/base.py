"""The schedule contract: the learning rate as a function of the step."""

from __future__ import annotations

from typing import ClassVar


class Schedule:
    """How the learning rate moves: after `warmup_epochs` of linear rise as `after_warmup` says.

    The keyword arguments of a schedule are what a suite's `schedule` may say. One that rises by itself takes no
    `warmup_epochs`. Raise ValueError in the constructor for values that do not fit together: `spikebench check` shows
    it.
    """

    name: ClassVar[str]  # what a suite calls it; a class outside this package needs none
    warmup_epochs: int = 0

    def __init__(self, *, warmup_epochs: int = 0) -> None:
        self.warmup_epochs = warmup_epochs

    def factor(self, step: int, epochs: int, steps: int) -> float:
        """Return the multiple of the learning rate at `step`, counted from the start of `epochs` of `steps` each."""
        if step // steps < self.warmup_epochs:
            return (step + 1) / (self.warmup_epochs * steps)
        return self.after_warmup(step, epochs, steps)

    def after_warmup(self, step: int, epochs: int, steps: int) -> float:
        """Return the multiple at a step after the rise; `step` counts from the start of training."""
        raise NotImplementedError
