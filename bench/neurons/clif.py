"""The complementary leaky integrate-and-fire neuron."""

from __future__ import annotations

import torch
from torch import Tensor

from bench.neurons.base import Neuron, State
from bench.neurons.surrogate import SurrogateName


class CLIF(Neuron):
    """Complementary LIF: u = (1 - 1/tau) v + x; s = [u >= theta]; m = m σ(u / tau) + s; v = u - s (theta + σ(m)).

    tau: membrane time constant, timesteps (> 1).  threshold: theta, in units of the input (> 0).
    surrogate: derivative of the spike in the backward pass.  σ is the logistic function.
    The complementary potential m remembers spikes longer than v does and deepens the reset; gradients flow through
    the reset and through m, nothing is detached. Source: Huang et al. 2024 (CLIF).
    """

    name = "clif"
    elementwise = True

    def __init__(
        self,
        *,
        tau: float = 2.0,
        threshold: float = 1.0,
        surrogate: SurrogateName = "rectangle",
    ) -> None:
        super().__init__(surrogate=surrogate)
        if not tau > 1:
            raise ValueError(f"tau should be above 1 timestep, not {tau}")
        if not threshold > 0:
            raise ValueError(f"threshold should be above 0, not {threshold}")
        self.tau, self.threshold = float(tau), float(threshold)

    def initial_state(self, x: Tensor) -> State:
        """Return v = 0 and m = 0, each of the shape of x [N, ...]."""
        return torch.zeros_like(x), torch.zeros_like(x)

    def step(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """Advance one timestep: x [N, ...], (v, m) -> spikes, (v, m)."""
        v, m = state
        u = (1 - 1 / self.tau) * v + x
        spikes = self.fire(u - self.threshold)
        m = m * torch.sigmoid(u * (1 / self.tau)) + spikes
        return spikes, (u - spikes * (self.threshold + torch.sigmoid(m)), m)
