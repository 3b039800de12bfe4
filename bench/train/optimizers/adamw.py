"""AdamW."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import nn

from bench.train.optimizers.base import Optimizer


class AdamW(Optimizer):
    """Adam with decoupled weight decay of every parameter (Loshchilov & Hutter 2019), `momentum` its beta 1."""

    name = "adamw"

    def __init__(
        self, *, learning_rate: float, momentum: float = 0.9, beta2: float = 0.999, weight_decay: float = 0.0
    ) -> None:
        self.learning_rate, self.betas, self.weight_decay = learning_rate, (momentum, beta2), weight_decay

    def build(self, parameters: Iterable[nn.Parameter], *, fused: bool) -> torch.optim.Optimizer:
        """Return torch's AdamW."""
        return torch.optim.AdamW(
            parameters, self.learning_rate, betas=self.betas, weight_decay=self.weight_decay, fused=fused
        )
