"""The leaky integrate-and-fire neuron that learns its time constant."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from bench.neurons.base import State
from bench.neurons.leaky import LeakyNeuron


class PLIF(LeakyNeuron):
    """LIF with a learnable leak per layer: u = (1 - sigmoid(w)) v + x; s = [u >= theta]; v = u - theta s.

    tau: initial membrane time constant, timesteps (> 1); 1/tau = sigmoid(w), and w is learned.
    threshold: theta, in units of the input (> 0).
    reset: "soft" as above, or "hard": v = u (1 - s) + v_reset s, and u = v - sigmoid(w) (v - v_reset) + x.
    v_reset: where a hard reset leads, the leak pulls and v begins, in units of the input; 0 with a soft reset.
    decay_input: charge by sigmoid(w) x in place of x.  detach_reset: no gradient through the s of the reset.
    surrogate: derivative of the spike in the backward pass.
    Source: Fang et al. 2021. Their form is reset = "hard", decay_input = true, surrogate = "atan"; the default is that
    of this package's LIF, so that at the initial w it is that LIF.
    """

    name = "plif"

    def keep_leak(self, tau: float) -> None:
        """Begin with w such that sigmoid(w) is 1/tau."""
        self.w = nn.Parameter(torch.tensor(-math.log(tau - 1)))

    def step(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """Advance one timestep: x [N, ...], (v,) -> spikes, (v,)."""
        (v,) = state
        u = self.membrane.charge(v, x, torch.sigmoid(self.w))
        spikes = self.fire(u - self.threshold)
        return spikes, (self.membrane.after(spikes, u, self.threshold),)
