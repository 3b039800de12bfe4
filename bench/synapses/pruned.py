"""Weights of which most are zero."""

from __future__ import annotations

import torch
from torch import Tensor

from bench.synapses.base import Synapse

_AT_LEAST = 0.01  # of the weights that a ramp takes at a time: sorting them costs


class Pruned(Synapse):
    """The smallest weights of each layer are zero: more and more of them while training goes on.

    The share at a fraction t of training is sparsity (1 - (1 - (t - begin) / (end - begin))^3) between `begin` and
    `end`, then constant.
    sparsity: share of a layer's weights that are zero in the end.  begin_fraction, end_fraction: of training.
    ends: whether the first and the last layer are pruned too.
    Source: Zhu and Gupta 2017, "To prune, or not to prune", arXiv:1710.01878.
    """

    name = "pruned"
    mask: Tensor

    def __init__(
        self,
        *,
        sparsity: float = 0.9,
        begin_fraction: float = 0.0,
        end_fraction: float = 0.5,
        ends: bool = False,
        _weight: Tensor,
        _end: bool,
    ) -> None:
        super().__init__()
        if not 0 < sparsity < 1:
            raise ValueError(f"sparsity should be between 0 and 1, not {sparsity}")
        if not 0 <= begin_fraction < end_fraction <= 1:
            raise ValueError(
                f"begin_fraction and end_fraction should be 0 <= begin < end <= 1, not {begin_fraction}, {end_fraction}"
            )
        self.sparsity = 0.0 if _end and not ends else sparsity
        self.begin_fraction, self.end_fraction = begin_fraction, end_fraction
        self.register_buffer("mask", torch.ones_like(_weight, requires_grad=False))
        self._zeros: int | None = None  # in the mask; None: not looked at yet

    def forward(self, weight: Tensor) -> Tensor:
        """Return the weights with the smallest of them zero."""
        return weight * self.mask

    def sparsity_at(self, done_fraction: float) -> float:
        """Return the share of zeros that is asked for at a fraction of training.

        >>> Pruned(sparsity=0.8, _weight=torch.zeros(2, 2), _end=False).sparsity_at(0.25)
        0.7
        """
        ramp = (done_fraction - self.begin_fraction) / (self.end_fraction - self.begin_fraction)
        return self.sparsity * (1 - (1 - min(1.0, max(0.0, ramp))) ** 3)

    def advance(self, done_fraction: float, weight: Tensor) -> None:
        """Prune on, in steps of a hundredth of the weights, and all that is left to prune at the end."""
        wanted, numbers = self.sparsity_at(done_fraction), weight.numel()
        zeros = round(wanted * numbers)
        if self._zeros is None:
            self._zeros = numbers - int(self.mask.count_nonzero())
        more = zeros - self._zeros
        if more <= 0 or (more < _AT_LEAST * numbers and done_fraction < self.end_fraction):
            return
        order = weight.detach().abs().flatten().argsort(stable=True)
        flat = torch.ones(numbers, dtype=self.mask.dtype, device=self.mask.device)
        flat[order[:zeros]] = 0
        self.mask.copy_(flat.view_as(self.mask))
        self._zeros = zeros
