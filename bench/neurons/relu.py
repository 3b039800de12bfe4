"""The rectified linear unit, the ANN's neuron."""

from __future__ import annotations

from torch import Tensor

from bench.neurons.base import Neuron, State


class ReLU(Neuron):
    """Rectified linear unit, no state: y = max(0, x).

    Source: Nair and Hinton 2010. The gradient at 0 is 0.
    """

    name = "relu"
    spiking = False
    elementwise = True

    def __init__(self) -> None:
        super().__init__()

    def initial_state(self, x: Tensor) -> State:
        """Return no state."""
        return ()

    def step(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """Rectify x [N, ...]."""
        return x.relu(), ()

    def forward(self, x: Tensor) -> Tensor:
        """Rectify the whole sequence x [T, N, ...] at once: without state there is nothing to step through."""
        return x.relu()
