"""Weights of few bits, learned."""

from __future__ import annotations

import torch
from torch import Tensor

from bench.synapses.base import Synapse
from bench.synapses.learned_step import LearnedStep, check_bits, first_step, signed_levels, to_learned_levels


class Lsq(Synapse):
    """Weights of so many bits, with a learned step a layer: trained through the rounding.

    bits: of a weight, signed.  end_bits: of those of the first and the last layer, as is usual.
    start_fraction: of training after which weights are rounded; until then they are used as they are, so that 0.75
    fine-tunes a network for the last quarter.
    Source: Esser et al. 2020, "Learned step size quantization", ICLR; the logarithm is learned, see `learned_step`.
    """

    name = "lsq"
    on: Tensor

    def __init__(
        self, *, bits: int = 4, end_bits: int = 8, start_fraction: float = 0.0, _weight: Tensor, _end: bool
    ) -> None:
        super().__init__()
        check_bits(2, bits=bits, end_bits=end_bits)
        if not 0 <= start_fraction < 1:
            raise ValueError(f"start_fraction should be from 0 to below 1, not {start_fraction}")
        self.bits = end_bits if _end else bits
        self.levels, self.start_fraction = signed_levels(self.bits), start_fraction
        self.step = LearnedStep(self._first(_weight))
        self.register_buffer("on", torch.tensor(start_fraction == 0))
        self._begun = start_fraction == 0  # as `on` says, where that is known without a look at the device

    def forward(self, weight: Tensor) -> Tensor:
        """Return the weights rounded to multiples of the step, once that has begun."""
        rounded = to_learned_levels(weight, self.step(), self.levels, weight.numel())
        return torch.where(self.on, rounded, weight)

    def advance(self, done_fraction: float, weight: Tensor) -> None:
        """Begin to round where it is time, with a step that suits the weights by then."""
        if self._begun or done_fraction < self.start_fraction:
            return
        self._begun = True
        if not bool(self.on):  # a training that goes on may have begun before
            self.step.begin_at(self._first(weight))
            self.on.fill_(True)

    def _first(self, weight: Tensor) -> Tensor:
        return torch.as_tensor(first_step(weight.detach().abs().mean(), self.levels[1]))
