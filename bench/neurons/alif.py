"""The leaky integrate-and-fire neuron whose threshold adapts."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from bench.neurons.base import Neuron, State
from bench.neurons.leaky import Membrane, positive, time_constant
from bench.neurons.surrogate import SurrogateName


class ALIF(Neuron):
    """Adaptive threshold: u = (1 - 1/tau) v + x; A = theta + beta a; s = [u >= A]; v = u - A s; a = ρ a + (1 - ρ) s.

    tau: membrane time constant, timesteps (> 1).  threshold: theta, in units of the input (> 0).
    beta: rise of the threshold at a = 1, in units of the input (>= 0); with 0 this is the LIF.
    tau_adaptation: time constant of a, timesteps (> 0); ρ = exp(-1/tau_adaptation). The mean of a is the firing rate.
    decay_input: charge by x/tau in place of x.  detach_reset: no gradient through the s of the reset.
    surrogate: derivative of the spike in the backward pass, at u - A.
    Source: Bellec et al. 2018 (LSNN), their A, a and ρ. A spike raises the threshold by beta (1 - ρ): here 0.17 theta,
    there 0.26 (theta 0.01, beta 1.8, tau_adaptation 700). Taken from this package's LIF instead: the leak is 1 - 1/tau
    (theirs exp(-1/tau)), the input is scaled by 1/tau only with decay_input, and the reset comes in the timestep of the
    spike and leaks with v (theirs takes A s off the next u undecayed). Their refractory period, recurrence and damped
    surrogate, in units of A, are not carried.
    """

    name = "alif"
    elementwise = True

    def __init__(
        self,
        *,
        tau: float = 2.0,
        threshold: float = 1.0,
        beta: float = 1.8,
        tau_adaptation: float = 10.0,
        decay_input: bool = False,
        detach_reset: bool = False,
        surrogate: SurrogateName = "rectangle",
    ) -> None:
        super().__init__(surrogate=surrogate)
        self.tau, self.threshold = time_constant(tau), positive("threshold", threshold)
        self.rho = math.exp(-1 / positive("tau_adaptation", tau_adaptation))
        if not beta >= 0:
            raise ValueError(f"beta should be at least 0, not {beta}")
        self.beta = float(beta)
        self.membrane = Membrane(decay_input=decay_input, detach_reset=detach_reset)
        self.exact_gradient = not detach_reset

    def initial_state(self, x: Tensor) -> State:
        """Return v = 0 and a = 0, each of the shape of x [N, ...]."""
        return self.membrane.rest(x), torch.zeros_like(x)

    def step(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """Advance one timestep: x [N, ...], (v, a) -> spikes, (v, a)."""
        v, a = state
        u = self.membrane.charge(v, x, 1 / self.tau)
        threshold = self.threshold + self.beta * a
        spikes = self.fire(u - threshold)
        a = self.rho * a + (1 - self.rho) * spikes
        return spikes, (self.membrane.after(spikes, u, threshold), a)
