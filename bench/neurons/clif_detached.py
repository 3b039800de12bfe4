"""The complementary LIF neuron without the gradients that it is named for: an ablation."""

from __future__ import annotations

import torch
from torch import Tensor

from bench.neurons.base import State
from bench.neurons.clif import CLIF


class DetachedCLIF(CLIF):
    """CLIF, m detached: u = (1 - 1/tau) v + x; s = [u >= theta]; m = m σ(u / tau) + s; v = u - s (theta + σ(m)).

    tau: membrane time constant, timesteps (> 1).  threshold: theta, in units of the input (> 0).
    surrogate: derivative of the spike in the backward pass.
    The spikes are CLIF's. No gradient flows through m: the backward pass takes σ(m) for a constant, and so has LIF's
    paths. Where this is as accurate as `clif`, it is the dynamics that count and not the paths through m.
    Source: an ablation of Huang et al. 2024 (CLIF), who take these paths for the cause.
    """

    name = "clif-detached"
    exact_gradient = False

    def step(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """Advance one timestep: x [N, ...], (v, m) -> spikes, (v, m)."""
        v, m = state
        u = (1 - 1 / self.tau) * v + x
        spikes = self.fire(u - self.threshold)
        m = (m * torch.sigmoid(u * (1 / self.tau)) + spikes).detach()
        return spikes, (u - spikes * (self.threshold + torch.sigmoid(m)), m)
