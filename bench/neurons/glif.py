"""The gated leaky integrate-and-fire neuron."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from bench.neurons.base import Neuron, State
from bench.neurons.surrogate import SurrogateName

# Every learnable number lies between 0 and 1: it is the logistic function of the parameter of this name.
_LEARNED = ("alpha", "beta", "gamma", "decay", "threshold", "leak", "conductance", "subtract")


class GLIF(Neuron):
    """Gated LIF: u = v + (1 - β(1 - g)) x - (1 - α) l; s = [u >= θ]; d = (1 - α(1 - τ)) u; v = d - s (γ d + (1 - γ) r).

    All eight are learned, each between 0 and 1 as sigmoid of its parameter; given are the initial values, in (0, 1).
    alpha: gate α of the leak, 1 for the exponential, 0 for the linear.  beta: gate β of the conductance g.
    gamma: gate γ of the reset, 1 for the hard (to 0), 0 for the soft (by r).
    decay: τ, factor of the exponential leak, per timestep.  leak: l, linear leak per timestep, in units of the input.
    threshold: θ, in units of the input.  subtract: r, taken off by the soft reset, in units of the input.
    conductance: g, factor of the input.
    per_channel: parameters of each channel of x [N, C, ...] in place of those of the layer.
    surrogate: derivative of the spike in the backward pass.
    v is the membrane after leak and reset. Source: Yao et al. 2022 (GLIF); the initial values are those of their code
    at T = 4 (l = θ/(2 T)). Two deviations: they have one g per timestep, here it is one for all, because a step does
    not know its index; the gates begin at 1/2 rather than at numbers of their own (code) or at random (SpikingJelly).
    """

    name = "glif"

    def __init__(
        self,
        *,
        alpha: float = 0.5,
        beta: float = 0.5,
        gamma: float = 0.5,
        decay: float = 0.25,
        threshold: float = 0.5,
        leak: float = 0.0625,
        conductance: float = 0.5,
        subtract: float = 0.5,
        per_channel: bool = False,
        surrogate: SurrogateName = "rectangle",
        _channels: int = 0,
    ) -> None:
        super().__init__(surrogate=surrogate)
        if per_channel and _channels < 1:
            raise ValueError("per_channel needs the number of channels, which whoever builds a network gives")
        self.elementwise = not per_channel
        shape = (_channels,) if per_channel else ()
        initial = (alpha, beta, gamma, decay, threshold, leak, conductance, subtract)
        for name, value in zip(_LEARNED, initial, strict=True):
            if not 0 < value < 1:
                raise ValueError(f"{name} should be between 0 and 1, not {value}")
            self.register_parameter(name, nn.Parameter(torch.full(shape, math.log(value / (1 - value)))))

    def initial_state(self, x: Tensor) -> State:
        """Return v = 0, of the shape of x [N, ...]."""
        return (torch.zeros_like(x),)

    def step(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """Advance one timestep: x [N, ...], or [N, C, ...] with parameters of each channel, (v,) -> spikes, (v,)."""
        (v,) = state
        alpha, beta, gamma, decay, threshold, leak, conductance, subtract = [
            self._along_channels(getattr(self, name), x).sigmoid() for name in _LEARNED
        ]
        u = v + (1 - beta * (1 - conductance)) * x - (1 - alpha) * leak
        spikes = self.fire(u - threshold)
        decayed = (1 - alpha * (1 - decay)) * u
        return spikes, (decayed - spikes * (gamma * decayed + (1 - gamma) * subtract),)

    def _along_channels(self, parameter: Tensor, x: Tensor) -> Tensor:
        return parameter if self.elementwise else parameter.view(-1, *[1] * (x.dim() - 2))
