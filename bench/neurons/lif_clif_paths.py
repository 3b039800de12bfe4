"""The LIF neuron with the gradients of the complementary one: an ablation."""

from __future__ import annotations

import torch
from torch import Tensor

from bench.neurons.base import State
from bench.neurons.clif import CLIF


class PathsOnlyCLIF(CLIF):
    """LIF with CLIF's gradient: u = (1 - 1/tau) v + x; s = [u >= theta]; v = u - theta s, and CLIF's reset backward.

    tau: membrane time constant, timesteps (> 1).  threshold: theta, in units of the input (> 0).
    surrogate: derivative of the spike in the backward pass.
    The spikes are LIF's. The backward pass is that of v = u - s (theta + σ(m)), with m = m σ(u / tau) + s, which is
    kept for it alone. Where this is more accurate than `lif`, the paths help without the dynamics. Its work is counted
    as it is simulated; deployed as `lif` it is LIF's. (CLIF whose reset is LIF's needs no file: m acts through the
    reset alone, so that it is `lif`, forward and backward.)
    Source: an ablation of Huang et al. 2024 (CLIF), who take the paths through m for the cause.
    """

    name = "lif-clif-paths"
    exact_gradient = False

    def step(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """Advance one timestep: x [N, ...], (v, m) -> spikes, (v, m)."""
        v, m = state
        u = (1 - 1 / self.tau) * v + x
        spikes = self.fire(u - self.threshold)
        m = m * torch.sigmoid(u * (1 / self.tau)) + spikes
        deeper = spikes * torch.sigmoid(m)
        return spikes, (u - self.threshold * spikes - (deeper - deeper.detach()), m)
