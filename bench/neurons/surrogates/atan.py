"""The slope of the arctangent as a surrogate derivative."""

from __future__ import annotations

import math

from torch import Tensor

from bench.neurons.surrogate import Surrogate


class Atan(Surrogate):
    """h(x) = 1 / (1 + (pi x)^2): width at half height 2/pi (Fang et al. 2021, with alpha = 2)."""

    name = "atan"

    @staticmethod
    def derivative(x: Tensor) -> Tensor:
        """Return h(x)."""
        return 1 / (1 + (math.pi * x).square())
