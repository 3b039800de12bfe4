"""Mean squared error."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F

from bench.train.losses.base import Loss


class MeanSquaredError(Loss):
    """Mean squared error between the one-hot label and each timestep's logits."""

    name = "mse"

    def of(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Return the error averaged over timesteps, samples and classes."""
        target = F.one_hot(labels, logits.shape[2]).to(logits.dtype) if labels.ndim == 1 else labels
        return F.mse_loss(logits, target.expand_as(logits))
