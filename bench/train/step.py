"""One update: forward, loss, backward, optimiser."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from bench.suite.recipe import LossSpec, OptimizerSpec, TrainSpec

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
