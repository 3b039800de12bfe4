"""The leaky integrate-and-fire neuron."""

from __future__ import annotations

from torch import Tensor

from bench.neurons.base import State
from bench.neurons.leaky import LeakyNeuron


class LIF(LeakyNeuron):
    """Leaky integrate and fire, soft reset: u = (1 - 1/tau) v + x; s = [u >= theta]; v = u - theta s.

    tau: membrane time constant, timesteps (> 1).  threshold: theta, in units of the input (> 0).
    reset: "soft" as above, or "hard": v = u (1 - s) + v_reset s, and u = v - (v - v_reset)/tau + x.
    v_reset: where a hard reset leads, the leak pulls and v begins, in units of the input; 0 with a soft reset.
    decay_input: charge by x/tau in place of x.  detach_reset: no gradient through the s of the reset.
    surrogate: derivative of the spike in the backward pass.
    Source: Huang et al. 2024 (CLIF), their LIF: soft reset, input not decayed. They deploy CLIF weights on the hard
    reset, best with v_reset = -0.06 on CIFAR-10, input not decayed. With the options it is SpikingJelly's LIFNode.
    """

    name = "lif"

    def step(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """Advance one timestep: x [N, ...], (v,) -> spikes, (v,)."""
        (v,) = state
        u = self.membrane.charge(v, x, 1 / self.tau)
        spikes = self.fire(u - self.threshold)
        return spikes, (self.membrane.after(spikes, u, self.threshold),)
