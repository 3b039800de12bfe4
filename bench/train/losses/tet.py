"""Temporal efficient training."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from bench.train.losses.base import Loss


class TemporalEfficientTraining(Loss):
    """Mean over timesteps of (1 - w) cross-entropy + w mse, which pulls every logit towards `mse_target`.

    w: `mse_weight`. Source: Deng et al. 2022, "Temporal Efficient Training of Spiking Neural Network via Gradient
    Re-weighting".
    """

    name = "tet"

    def __init__(self, *, label_smoothing: float = 0.0, mse_weight: float = 0.05, mse_target: float = 1.0) -> None:
        self.label_smoothing, self.mse_weight, self.mse_target = label_smoothing, mse_weight, mse_target

    def of(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Return the loss averaged over timesteps and samples."""
        repeated = labels.repeat(logits.shape[0], *[1] * (labels.ndim - 1))
        cross_entropy = F.cross_entropy(logits.flatten(0, 1), repeated, label_smoothing=self.label_smoothing)
        pull = F.mse_loss(logits, torch.full_like(logits, self.mse_target))
        return (1 - self.mse_weight) * cross_entropy + self.mse_weight * pull
