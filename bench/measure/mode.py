"""How a network is put into measuring mode: no gradients, no autocast, everything restored afterwards."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn


@contextmanager
def measuring(model: nn.Module) -> Iterator[None]:
    """Eval mode, no gradients, no autocast, no TF32; every module's training flag is as before afterwards."""
    flags = {module: module.training for module in model.modules()}
    example = next(model.parameters(), torch.empty(0))
    model.eval()
    try:
        with torch.no_grad(), torch.autocast(example.device.type, enabled=False), _full_float32(example.device):
            yield
    finally:
        for module, training in flags.items():
            module.training = training


@contextmanager
def _full_float32(device: torch.device) -> Iterator[None]:
    """Products in all of float32's 24 bits on a GPU too, where torch lets convolutions take TF32's 11 by default."""
    kinds: tuple[Any, ...] = (torch.backends.cuda.matmul, torch.backends.cudnn) if device.type == "cuda" else ()
    before = [kind.allow_tf32 for kind in kinds]
    for kind in kinds:
        kind.allow_tf32 = False
    try:
        yield
    finally:
        for kind, allowed in zip(kinds, before, strict=True):
            kind.allow_tf32 = allowed


def device_of(model: nn.Module, x: Tensor) -> torch.device:
    """Return where a model computes: the device of its first tensor, or of x where it has none."""
    tensor = next(model.parameters(), next(model.buffers(), x))
    return tensor.device
