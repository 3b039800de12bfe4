"""The leaky integrate-and-fire neuron that learns its time constant."""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor, nn

from bench.neurons.base import Neuron, State


class PLIF(Neuron):
    """LIF with a learnable leak per layer: u = (1 - sigmoid(w)) v + x; s = [u >= theta]; v = u - theta s.

    tau: initial membrane time constant, timesteps (> 1); 1/tau = sigmoid(w), and w is learned.
    threshold: theta, in units of the input (> 0).  surrogate: derivative of the spike in the backward pass.
    Source: Fang et al. 2021. They scale the input by 1/tau and reset to 0; here the form is that of this package's
    LIF (input not scaled, soft reset), so that at the initial w it is that LIF.
    """

    name = "plif"
    elementwise = True

    def __init__(
        self,
        *,
        tau: float = 2.0,
        threshold: float = 1.0,
        surrogate: Literal["rectangle", "atan", "sigmoid", "triangle"] = "rectangle",
    ) -> None:
        super().__init__(surrogate=surrogate)
        if not tau > 1:
            raise ValueError(f"tau should be above 1 timestep, not {tau}")
        if not threshold > 0:
            raise ValueError(f"threshold should be above 0, not {threshold}")
        self.threshold = float(threshold)
        self.w = nn.Parameter(torch.tensor(-math.log(tau - 1)))

    def initial_state(self, x: Tensor) -> State:
        """Return v = 0, of the shape of x [N, ...]."""
        return (torch.zeros_like(x),)

    def step(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """Advance one timestep: x [N, ...], (v,) -> spikes, (v,)."""
        (v,) = state
        u = (1 - torch.sigmoid(self.w)) * v + x
        spikes = self.fire(u - self.threshold)
        return spikes, (u - self.threshold * spikes,)
