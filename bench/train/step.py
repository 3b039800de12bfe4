"""One update: forward, loss, backward, optimiser."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from bench.suite.recipe import LossSpec, OptimizerSpec, TrainSpec
from bench.train.losses.base import Loss
from bench.train.optimizers.base import Optimizer

AUTOCAST = {"bf16": torch.bfloat16, "fp16": torch.float16}


def train_step(
    model: nn.Module,
    sequence: Tensor,
    labels: Tensor,
    optimizer: torch.optim.Optimizer,
    scaler: torch.amp.GradScaler,
    spec: TrainSpec,
    device: torch.device,
) -> Tensor:
    """One update on `sequence` [T, N, C, H, W]; return [summed loss, correct, samples] as float64 on the device."""
    dtype = AUTOCAST.get(spec.precision)
    with torch.autocast(device.type, dtype=dtype or torch.bfloat16, enabled=dtype is not None):
        logits = model(sequence)
    logits = logits.float()
    loss = compute_loss(logits, labels, spec.loss)
    optimizer.zero_grad(set_to_none=True)
    scaler.scale(loss).backward()
    if spec.gradient_clip_norm is not None:
        scaler.unscale_(optimizer)
        nn.utils.clip_grad_norm_(model.parameters(), spec.gradient_clip_norm)
    scaler.step(optimizer)
    scaler.update()
    with torch.no_grad():
        hard = labels if labels.ndim == 1 else labels.argmax(1)
        correct = (logits.mean(0).argmax(1) == hard).sum()
        samples = torch.full((), float(len(labels)), dtype=torch.float64, device=device)
        return torch.stack([loss.detach().double() * len(labels), correct.double(), samples])


def compute_loss(logits: Tensor, labels: Tensor, spec: LossSpec) -> Tensor:
    """Loss of `logits` [T, N, classes] against `labels` (class indices [N] or probabilities [N, classes])."""
    loss: Loss = spec.made()
    return loss.of(logits, labels)


def build_optimizer(model: nn.Module, spec: OptimizerSpec, device: torch.device) -> torch.optim.Optimizer:
    """Return the optimiser over every learnable parameter, its update in one pass (fused) where it knows how."""
    optimizer: Optimizer = spec.made()
    return optimizer.build(model.parameters(), fused=device.type in ("cpu", "cuda"))
