"""The rectified linear unit with few levels: the ANN's neuron where activations have as few values as spike counts."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from bench.neurons.base import Neuron, State
from bench.synapses.learned_step import LearnedStep, check_bits, first_step, to_learned_levels, unsigned_levels

_MEAN_OF_RECTIFIED_NORMAL = 1 / math.sqrt(2 * math.pi)


class QuantisedReLU(Neuron):
    """Rectified linear unit of so many bits, no state: y = s round(clamp(x / s, 0, 2^bits - 1)), s learned a layer.

    bits: of an activation; T spikes tell as many values as ceil(log2(T + 1)) bits at most. The step begins where it
    suits what batch norm makes at first, a standard normal, so that no data is needed.
    Source: Esser et al. 2020, "Learned step size quantization", ICLR; the logarithm is learned, see `learned_step`.
    """

    name = "quantised-relu"
    spiking = False
    exact_gradient = False

    def __init__(self, *, bits: int = 4) -> None:
        super().__init__()
        check_bits(1, bits=bits)
        self.output_bits = bits  # counting reads it: what is put out is a level of so many bits times a step
        self.levels = unsigned_levels(bits)
        self.step_size = LearnedStep(first_step(_MEAN_OF_RECTIFIED_NORMAL, self.levels[1]))

    def initial_state(self, x: Tensor) -> State:
        """Return no state."""
        return ()

    def step(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """Rectify and round x [N, ...]."""
        return to_learned_levels(x, self.step_size(), self.levels, max(1, x[0].numel())), ()

    def forward(self, x: Tensor) -> Tensor:
        """Rectify and round the whole sequence x [T, N, ...] at once, in float32 at least; the result is as x is."""
        with torch.autocast(device_type=x.device.type, enabled=False):
            wide = x.to(torch.promote_types(x.dtype, torch.float32))
            return to_learned_levels(wide, self.step_size(), self.levels, max(1, x[0, 0].numel())).to(x.dtype)
