"""Stochastic gradient descent."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import nn

from bench.train.optimizers.base import Optimizer


class SGD(Optimizer):
    """Stochastic gradient descent with momentum; `weight_decay` applies to every parameter."""

    name = "sgd"

    def __init__(
        self, *, learning_rate: float, momentum: float = 0.9, nesterov: bool = False, weight_decay: float = 0.0
    ) -> None:
        if nesterov and momentum == 0.0:
            raise ValueError("nesterov needs sgd with a momentum above 0")
        self.learning_rate, self.momentum, self.nesterov = learning_rate, momentum, nesterov
        self.weight_decay = weight_decay

    def build(self, parameters: Iterable[nn.Parameter], *, fused: bool) -> torch.optim.Optimizer:
        """Return torch's SGD."""
        return torch.optim.SGD(
            parameters,
            self.learning_rate,
            momentum=self.momentum,
            weight_decay=self.weight_decay,
            nesterov=self.nesterov,
            fused=fused,
        )
