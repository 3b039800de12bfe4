"""Cross-entropy."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F

from bench.train.losses.base import Loss


class CrossEntropy(Loss):
    """Cross-entropy of the logits averaged over T."""

    name = "ce"

    def __init__(self, *, label_smoothing: float = 0.0) -> None:
        self.label_smoothing = label_smoothing

    def of(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Return the cross-entropy of the mean logits."""
        return F.cross_entropy(logits.mean(0), labels, label_smoothing=self.label_smoothing)
