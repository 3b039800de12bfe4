"""The leaky integrate-and-fire neuron."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from bench.neurons.base import Neuron, State


class LIF(Neuron):
    """Leaky integrate and fire, soft reset: u = (1 - 1/tau) v + x; s = [u >= theta]; v = u - theta s.

    tau: membrane time constant, timesteps (> 1).  threshold: theta, in units of the input (> 0).
    surrogate: derivative of the spike in the backward pass.
    The input is not scaled by 1/tau. Source: Huang et al. 2024 (CLIF), their LIF.
    """

    name = "lif"
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
        self.tau, self.threshold = float(tau), float(threshold)

    def initial_state(self, x: Tensor) -> State:
        """Return v = 0, of the shape of x [N, ...]."""
        return (torch.zeros_like(x),)

    def step(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """Advance one timestep: x [N, ...], (v,) -> spikes, (v,)."""
        (v,) = state
        u = (1 - 1 / self.tau) * v + x
        spikes = self.fire(u - self.threshold)
        return spikes, (u - self.threshold * spikes,)
