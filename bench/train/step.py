"""What an update is made of: the precision, the loss, the optimiser."""

from __future__ import annotations

import torch
from torch import nn

from bench.suite.recipe import LossSpec, OptimizerSpec
from bench.train.losses.base import Loss
from bench.train.optimizers.base import Optimizer


def build_loss(spec: LossSpec) -> Loss:
    """Return what training makes small."""
    loss: Loss = spec.made()
    return loss


def build_optimizer(model: nn.Module, spec: OptimizerSpec, device: torch.device) -> torch.optim.Optimizer:
    """Return the optimiser over every learnable parameter, its update in one pass (fused) where it knows how."""
    optimizer: Optimizer = spec.made()
    return optimizer.build(model.parameters(), fused=device.type in ("cpu", "cuda"))
