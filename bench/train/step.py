"""What an update is made of: the precision, the loss, the optimiser."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from bench.suite.recipe import LossSpec, OptimizerSpec

AUTOCAST = {"bf16": torch.bfloat16, "fp16": torch.float16}


def compute_loss(logits: Tensor, labels: Tensor, spec: LossSpec) -> Tensor:
    """Loss of `logits` [T, N, classes] against `labels` (class indices [N] or probabilities [N, classes]).

    `tet`: Deng et al. 2022, "Temporal Efficient Training of Spiking Neural Network via Gradient Re-weighting".
    """
    if spec.name == "ce":
        return F.cross_entropy(logits.mean(0), labels, label_smoothing=spec.label_smoothing)
    timesteps, _, classes = logits.shape
    if spec.name == "mse":
        target = F.one_hot(labels, classes).to(logits.dtype) if labels.ndim == 1 else labels
        return F.mse_loss(logits, target.expand_as(logits))
    repeated = labels.repeat(timesteps, *[1] * (labels.ndim - 1))
    cross_entropy = F.cross_entropy(logits.flatten(0, 1), repeated, label_smoothing=spec.label_smoothing)
    pull = F.mse_loss(logits, torch.full_like(logits, spec.mse_target))
    return (1 - spec.mse_weight) * cross_entropy + spec.mse_weight * pull


def build_optimizer(model: nn.Module, spec: OptimizerSpec, device: torch.device) -> torch.optim.Optimizer:
    """Return the optimiser over every learnable parameter, its update in one pass (fused)."""
    fused = device.type in ("cpu", "cuda")
    rate, decay = spec.learning_rate, spec.weight_decay
    if spec.name == "sgd":
        return torch.optim.SGD(
            model.parameters(), rate, momentum=spec.momentum, weight_decay=decay, nesterov=spec.nesterov, fused=fused
        )
    kind = torch.optim.Adam if spec.name == "adam" else torch.optim.AdamW
    return kind(model.parameters(), rate, betas=(spec.momentum, spec.beta2), weight_decay=decay, fused=fused)
