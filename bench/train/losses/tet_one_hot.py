"""Temporal efficient training with the label as its target."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F

from bench.train.losses.base import Loss


class TemporalEfficientTrainingOneHot(Loss):
    """Mean over timesteps of (1 - w) cross-entropy + w mse, which pulls the logits towards the one-hot label.

    w: `mse_weight`. As `tet`, whose target is one number for every class. `label_smoothing` is of the cross-entropy
    alone. Source: Huang et al. 2024 (CLIF), whose code trains on CIFAR10-DVS so; after Deng et al. 2022, "Temporal
    Efficient Training of Spiking Neural Network via Gradient Re-weighting".
    """

    name = "tet-one-hot"

    def __init__(self, *, label_smoothing: float = 0.0, mse_weight: float = 0.05) -> None:
        self.label_smoothing, self.mse_weight = label_smoothing, mse_weight

    def of(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Return the loss averaged over timesteps and samples, the mse over classes too; probabilities are targets."""
        repeated = labels.repeat(logits.shape[0], *[1] * (labels.ndim - 1))
        cross_entropy = F.cross_entropy(logits.flatten(0, 1), repeated, label_smoothing=self.label_smoothing)
        target = F.one_hot(labels, logits.shape[2]).to(logits.dtype) if labels.ndim == 1 else labels
        pull = F.mse_loss(logits, target.expand_as(logits))
        return (1 - self.mse_weight) * cross_entropy + self.mse_weight * pull
