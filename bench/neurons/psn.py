"""The sliding parallel spiking neuron."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from bench.neurons.base import Neuron, State
from bench.neurons.surrogate import SurrogateName


class PSN(Neuron):
    """Sliding parallel spiking neuron, no reset: h[t] = sum over i < k of w[i] x[t - k + 1 + i]; s = [h >= theta].

    k: inputs that a neuron sees, the present one and k - 1 past ones (>= 1); those before the first timestep are 0.
    w is learned, one vector per layer, and begins at 2^(i - k + 1): 1 for the present input, halving into the past.
    threshold: initial theta, in units of the input (> 0); it is learned.
    surrogate: derivative of the spike in the backward pass.
    The state is the last k - 1 inputs, the oldest first. Source: Fang et al. 2023, their sliding PSN. Their PSN and
    masked PSN are not carried: their weights [T, T] need T at construction, and the PSN's look into the future.
    """

    name = "psn"
    elementwise = True

    def __init__(
        self,
        *,
        k: int = 2,
        threshold: float = 1.0,
        surrogate: SurrogateName = "rectangle",
    ) -> None:
        super().__init__(surrogate=surrogate)
        if k < 1:
            raise ValueError(f"k should be at least 1, not {k}")
        if not threshold > 0:
            raise ValueError(f"threshold should be above 0, not {threshold}")
        self.w = nn.Parameter(torch.tensor([2.0 ** (i - k + 1) for i in range(k)]))
        self.threshold = nn.Parameter(torch.tensor(float(threshold)))

    def initial_state(self, x: Tensor) -> State:
        """Return k - 1 inputs of 0, each of the shape of x [N, ...]."""
        return tuple(torch.zeros_like(x) for _ in range(len(self.w) - 1))

    def step(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """Advance one timestep: x [N, ...], the last inputs -> spikes, the last inputs."""
        oldest, *rest = (*state, x)
        weights = self.w.unbind()
        h = weights[0] * oldest
        for weight, seen in zip(weights[1:], rest, strict=True):
            h = h + weight * seen
        return self.fire(h - self.threshold), tuple(rest)
