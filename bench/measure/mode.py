"""How a network is put into measuring mode: no gradients, no autocast, everything restored afterwards."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn


@contextmanager
def measuring(model: nn.Module) -> Iterator[None]:
    """Eval mode, no gradients, no autocast; every module's training flag is as before afterwards."""
    flags = {module: module.training for module in model.modules()}
    example = next(model.parameters(), torch.empty(0))
    model.eval()
    try:
        with torch.no_grad(), torch.autocast(example.device.type, enabled=False):
            yield
    finally:
        for module, training in flags.items():
            module.training = training


def device_of(model: nn.Module, x: Tensor) -> torch.device:
    """Return where a model computes: the device of its first tensor, or of x where it has none."""
    tensor = next(model.parameters(), next(model.buffers(), x))
    return tensor.device
