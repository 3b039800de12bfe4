"""The slope of the logistic function as a surrogate derivative."""

from __future__ import annotations

import torch
from torch import Tensor

from bench.neurons.surrogate import Surrogate


class Sigmoid(Surrogate):
    """h(x) = 4 s(4x) (1 - s(4x)), s the logistic function: slope 4 (Zenke and Vogels 2021 compare such slopes)."""

    name = "sigmoid"

    @staticmethod
    def derivative(x: Tensor) -> Tensor:
        """Return h(x)."""
        squashed = torch.sigmoid(4 * x)
        return 4 * squashed * (1 - squashed)
