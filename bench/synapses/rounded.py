"""Weights of few bits, rounded when training is over."""

from __future__ import annotations

from typing import Self

import torch
from torch import Tensor

from bench.synapses.base import Synapse
from bench.synapses.learned_step import check_bits, signed_levels

_CANDIDATES = 40  # ranges that are tried, from a fortieth of the largest weight to all of it


class Rounded(Synapse):
    """Weights of so many bits, rounded for every test and used as they are in training.

    Each output (of a transposed convolution, each input) has a step of its own: of forty ranges up to its largest
    weight the one with the least squared error.
    bits: of a weight, signed and symmetric.  end_bits: of those of the first and the last layer.
    Source: Nagel et al. 2021, "A white paper on neural network quantization", arXiv:2106.08295, 2.2 and 3.2.
    """

    name = "rounded"

    def __init__(self, *, bits: int = 8, end_bits: int = 8, _end: bool) -> None:
        super().__init__()
        check_bits(2, bits=bits, end_bits=end_bits)
        self.bits = end_bits if _end else bits
        self._kept: tuple[tuple[int, int], Tensor] | None = None

    def forward(self, weight: Tensor) -> Tensor:
        """Return the weights as they are in training, else rounded."""
        if self.training:
            return weight
        version = (weight.data_ptr(), weight._version)
        if self._kept is None or self._kept[0] != version:
            self._kept = (version, rounded_by_output(weight.detach(), self.bits or 0))
        return self._kept[1]

    def train(self, mode: bool = True) -> Self:
        """Forget what was rounded: an update that is replayed on a GPU changes weights without a word."""
        self._kept = None
        return super().train(mode)


def rounded_by_output(weight: Tensor, bits: int) -> Tensor:
    """Return weight [outputs, inputs, ...] in multiples of a step for each output, of +-(2^(bits - 1) - 1) levels.

    The step is largest / levels x k / 40 with the k in 1 to 40 of the least squared error; of equals the least k.
    """
    _, high = signed_levels(bits)
    rows = weight.flatten(1)
    largest = rows.abs().amax(1, keepdim=True)
    best, least = torch.zeros_like(rows), torch.full_like(largest, torch.inf)
    for candidate in range(1, _CANDIDATES + 1):
        step = largest * (candidate / _CANDIDATES / high)
        tried = (rows / step.clamp(min=torch.finfo(rows.dtype).tiny)).round().clamp(-high, high) * step
        error = (tried - rows).square().sum(1, keepdim=True)
        best, least = torch.where(error < least, tried, best), torch.minimum(error, least)
    return best.view_as(weight)
