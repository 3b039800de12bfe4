"""The integrate-and-fire neuron."""

from __future__ import annotations

import torch
from torch import Tensor

from bench.neurons.base import Neuron, State
from bench.neurons.surrogate import SurrogateName


class IF(Neuron):
    """Integrate and fire, no leak, soft reset: u = v + x; s = [u >= theta]; v = u - theta s.

    threshold: theta, in units of the input (> 0).  surrogate: derivative of the spike in the backward pass.
    Source: the limit tau -> infinity of LIF; soft reset as in Rueckauer et al. 2017.
    """

    name = "if"
    elementwise = True

    def __init__(
        self,
        *,
        threshold: float = 1.0,
        surrogate: SurrogateName = "rectangle",
    ) -> None:
        super().__init__(surrogate=surrogate)
        if not threshold > 0:
            raise ValueError(f"threshold should be above 0, not {threshold}")
        self.threshold = float(threshold)

    def initial_state(self, x: Tensor) -> State:
        """Return v = 0, of the shape of x [N, ...]."""
        return (torch.zeros_like(x),)

    def step(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """Advance one timestep: x [N, ...], (v,) -> spikes, (v,)."""
        (v,) = state
        u = v + x
        spikes = self.fire(u - self.threshold)
        return spikes, (u - self.threshold * spikes,)
