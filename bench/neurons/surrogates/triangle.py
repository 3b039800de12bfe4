"""The triangle as a surrogate derivative."""

from __future__ import annotations

from torch import Tensor

from bench.neurons.surrogate import Surrogate


class Triangle(Surrogate):
    """h(x) = max(0, 1 - |x|): width at the base 2 (Esser et al. 2016; Bellec et al. 2018 without their damping)."""

    name = "triangle"

    @staticmethod
    def derivative(x: Tensor) -> Tensor:
        """Return h(x)."""
        return (1 - x.abs()).clamp(min=0)
