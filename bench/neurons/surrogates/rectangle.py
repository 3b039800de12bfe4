"""The rectangle as a surrogate derivative."""

from __future__ import annotations

from torch import Tensor

from bench.neurons.surrogate import Surrogate


class Rectangle(Surrogate):
    """h(x) = [|x| <= 1/2]: width 1 (Wu et al. 2018, spatio-temporal backpropagation; used by CLIF)."""

    name = "rectangle"

    @staticmethod
    def derivative(x: Tensor) -> Tensor:
        """Return h(x)."""
        return (x.abs() <= 0.5).to(x.dtype)
