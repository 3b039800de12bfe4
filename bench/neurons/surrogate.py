"""The spike: a Heaviside step forward (1 at 0 and above), a surrogate derivative backward; its contract."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Annotated, Any, ClassVar

import torch
from torch import Tensor

from bench.plugins import registry

# The type of a parameter that names a surrogate: one of `surrogates/`, one that is installed, or package.module:Class.
SurrogateName = Annotated[str, "surrogate"]
Derivative = Callable[[Tensor], Tensor]


class Surrogate:
    """What the backward pass takes for the derivative of the spike.

    The argument x is the distance of the membrane from the threshold, u - theta. Area and height are 1.
    """

    name: ClassVar[str]  # what a suite calls it; a class outside this package needs none

    @staticmethod
    def derivative(x: Tensor) -> Tensor:
        """Return h(x), of the shape and dtype of x; torch operations alone, so that a time loop with it compiles."""
        raise NotImplementedError


class _Spike(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, derivative: Derivative) -> Tensor:
        ctx.save_for_backward(x)
        ctx.derivative = derivative
        return (x >= 0).to(x.dtype)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        (x,) = ctx.saved_tensors
        return gradients[0] * ctx.derivative(x), None


@functools.cache
def derivative_of(name: str) -> Derivative:
    """Return the derivative of the surrogate `name`.

    Raises UnknownNameError or ParameterError for one that does not exist, or is outside code that is not trusted.
    """
    found: Surrogate = registry.create("surrogate", name)
    return found.derivative


def spike(x: Tensor, derivative: Derivative) -> Tensor:
    """Return 1 where x >= 0, else 0, in the shape and dtype of x; the backward pass uses `derivative`."""
    spikes: Tensor = _Spike.apply(x, derivative)
    return spikes
