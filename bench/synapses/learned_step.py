"""Rounding to levels whose distance is learned (Esser et al. 2020, "Learned step size quantization", ICLR).

    v = clamp(x / s, low, high);  y = s round(v)
    dy/dx = 1 inside the range, else 0
    dy/ds = round(x / s) - x / s inside, low or high outside; scaled by 1 / sqrt(numbers x high)

What is learned is the logarithm of the step, as of a threshold in Jain et al. 2020 ("Trained quantization thresholds",
MLSys): optimisers whose updates are all of one size, as Adam's, would else take a small step beyond 0 in one of them.

Forward and backward are written out, so that counting sees the arithmetic and nothing of how it is trained.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

MOST_BITS = 16


def signed_levels(bits: int) -> tuple[int, int]:
    """Return the lowest and the highest level of signed numbers of so many bits.

    >>> signed_levels(4)
    (-8, 7)
    """
    return -(2 ** (bits - 1)), 2 ** (bits - 1) - 1


def unsigned_levels(bits: int) -> tuple[int, int]:
    """Return the lowest and the highest level of unsigned numbers of so many bits.

    >>> unsigned_levels(3)
    (0, 7)
    """
    return 0, 2**bits - 1


def check_bits(fewest: int, **bits: int) -> None:
    """Raise ValueError for a width that no number has, or that is no quantisation."""
    for name, value in bits.items():
        if not fewest <= value <= MOST_BITS:
            raise ValueError(f"{name} should be from {fewest} to {MOST_BITS}, not {value}")


def first_step(mean_size: Tensor | float, high: int) -> Tensor | float:
    """Return the step that learning begins with: 2 E|x| / sqrt(high)."""
    return mean_size * (2 / math.sqrt(high))


class LearnedStep(nn.Module):
    """The step that a layer's numbers share: where it began, times the exponential of what is learned.

    Weight decay pulls it to where it began.
    """

    first: Tensor

    def __init__(self, first: Tensor | float) -> None:
        super().__init__()
        self.register_buffer("first", torch.as_tensor(first).detach().clone())
        self.log_ratio = nn.Parameter(torch.zeros_like(self.first))

    def forward(self) -> Tensor:
        """Return the step, a scalar."""
        return self.first * self.log_ratio.exp()

    @torch.no_grad()
    def begin_at(self, first: Tensor | float) -> None:
        """Begin anew, in place."""
        self.first.copy_(torch.as_tensor(first))
        self.log_ratio.zero_()


def to_learned_levels(x: Tensor, step: Tensor, levels: tuple[int, int], numbers: int) -> Tensor:
    """Round x to multiples of `step`, a scalar that learns, between the lowest and the highest of `levels`.

    numbers: how many share the step, of weights or of one sample; the step's gradient is scaled by it. Arithmetic is
    in the dtype of x.
    """
    low, high = levels
    rounded: Tensor = _LearnedStep.apply(x, step, low, high, 1 / math.sqrt(numbers * high))
    return rounded


class _LearnedStep(torch.autograd.Function):
    """The rounding and its gradients; forward it is one product, a clamp, a rounding and one product."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, step: Tensor, low: int, high: int, scale: float) -> Tensor:
        ctx.save_for_backward(x, step)
        ctx.levels, ctx.scale = (low, high), scale
        return (x / step).clamp(low, high).round() * step

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Any:
        [gradient], (x, step), (low, high) = gradients, ctx.saved_tensors, ctx.levels
        v = x / step
        inside = (v > low) & (v < high)
        of_step = torch.where(inside, v.round() - v, v.clamp(low, high))
        return gradient * inside, (gradient * of_step).sum() * ctx.scale, None, None, None
