"""The spike: a Heaviside step forward (1 at 0 and above), one of several surrogate derivatives backward.

The argument x is the distance of the membrane from the threshold, u - theta. Every derivative has area and height 1.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from bench.errors import UnknownNameError


def rectangle(x: Tensor) -> Tensor:
    """h(x) = [|x| <= 1/2]: width 1 (Wu et al. 2018, spatio-temporal backpropagation; used by CLIF)."""
    return (x.abs() <= 0.5).to(x.dtype)


def atan(x: Tensor) -> Tensor:
    """h(x) = 1 / (1 + (pi x)^2): width at half height 2/pi (Fang et al. 2021, with alpha = 2)."""
    return 1 / (1 + (math.pi * x).square())


def sigmoid(x: Tensor) -> Tensor:
    """h(x) = 4 s(4x) (1 - s(4x)), s the logistic function: slope 4 (Zenke and Vogels 2021 compare such slopes)."""
    squashed = torch.sigmoid(4 * x)
    return 4 * squashed * (1 - squashed)


def triangle(x: Tensor) -> Tensor:
    """h(x) = max(0, 1 - |x|): width at the base 2 (Esser et al. 2016; Bellec et al. 2018 without their damping)."""
    return (1 - x.abs()).clamp(min=0)


DERIVATIVES: Mapping[str, Callable[[Tensor], Tensor]] = {
    "rectangle": rectangle,
    "atan": atan,
    "sigmoid": sigmoid,
    "triangle": triangle,
}


class _Spike(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, name: str) -> Tensor:
        ctx.save_for_backward(x)
        ctx.name = name
        return (x >= 0).to(x.dtype)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        (x,) = ctx.saved_tensors
        return gradients[0] * DERIVATIVES[ctx.name](x), None


def check(name: str) -> None:
    """Raise UnknownNameError unless there is a surrogate called `name`."""
    if name not in DERIVATIVES:
        raise UnknownNameError("surrogate", name, DERIVATIVES)


def spike(x: Tensor, name: str) -> Tensor:
    """Return 1 where x >= 0, else 0, in the shape and dtype of x; the backward pass uses the surrogate `name`."""
    spikes: Tensor = _Spike.apply(x, name)
    return spikes
