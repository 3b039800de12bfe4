"""The leaky integrate-and-fire neuron that learns the slope of its surrogate."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

from bench.neurons.base import State
from bench.neurons.leaky import LeakyNeuron
from bench.neurons.surrogate import SurrogateName


class KLIF(LeakyNeuron):
    """LIF with a learnable gain k per layer: f = max(0, k ((1 - 1/tau) v + x)); s = [f >= theta]; v = f - theta s.

    tau: membrane time constant, timesteps (> 1).  threshold: theta, in units of the input (> 0).
    k is learned and begins at 1. The backward pass through s is k times the surrogate at f - theta, so k sets its slope
    and, seen from the membrane, its width 1/k.
    scale_reset: carry f/k in place of f: v = (f - theta s)/k, or f (1 - s)/k + v_reset s. Finite while k is not 0.
    reset: "soft" as above, or "hard": v = f (1 - s) + v_reset s, and f = max(0, k (v - (v - v_reset)/tau + x)).
    v_reset: where a hard reset leads, the leak pulls and v begins, in units of the input; 0 with a soft reset.
    decay_input: charge by x/tau in place of x.  detach_reset: no gradient through the s of the reset.
    surrogate: derivative of the spike in the backward pass.
    Source: Jiang and Zhang 2023 (KLIF). Their form is reset = "hard", decay_input = true, with f itself carried; the
    default is that of this package's LIF. scale_reset is SpikingJelly's addition.
    """

    name = "klif"

    def __init__(
        self,
        *,
        tau: float = 2.0,
        threshold: float = 1.0,
        scale_reset: bool = False,
        reset: Literal["soft", "hard"] = "soft",
        v_reset: float = 0.0,
        decay_input: bool = False,
        detach_reset: bool = False,
        surrogate: SurrogateName = "rectangle",
    ) -> None:
        super().__init__(
            tau=tau,
            threshold=threshold,
            reset=reset,
            v_reset=v_reset,
            decay_input=decay_input,
            detach_reset=detach_reset,
            surrogate=surrogate,
        )
        self.scale_reset = scale_reset
        self.k = nn.Parameter(torch.tensor(1.0))

    def step(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """Advance one timestep: x [N, ...], (v,) -> spikes, (v,)."""
        (v,) = state
        f = torch.relu(self.k * self.membrane.charge(v, x, 1 / self.tau))
        spikes = self.fire(f - self.threshold)
        if self.scale_reset:
            return spikes, (self.membrane.after(spikes, f / self.k, self.threshold / self.k),)
        return spikes, (self.membrane.after(spikes, f, self.threshold),)
