"""The loss contract: what training makes small."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor


class Loss:
    """A loss of the logits of every timestep. Its keyword arguments are what a suite's `loss` may say.

    A loss keeps nothing from one call to the next. Raise ValueError in the constructor for values that do not fit
    together: `spikebench check` shows it.
    """

    name: ClassVar[str]  # what a suite calls it; a class outside this package needs none

    def of(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Return the mean loss of `logits` [T, N, classes]; `labels` are classes [N] or probabilities [N, classes]."""
        raise NotImplementedError
