"""What the leaky neurons share: the limits of tau and theta, the charge of the membrane and its reset after a spike."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from bench.errors import UnknownNameError
from bench.neurons.base import Neuron, State
from bench.neurons.surrogate import SurrogateName


def time_constant(tau: float) -> float:
    """Return tau. Raises ValueError unless it is above 1 timestep."""
    if not tau > 1:
        raise ValueError(f"tau should be above 1 timestep, not {tau}")
    return float(tau)


def positive(name: str, value: float) -> float:
    """Return the value. Raises ValueError naming it unless it is above 0."""
    if not value > 0:
        raise ValueError(f"{name} should be above 0, not {value}")
    return float(value)


@dataclass(frozen=True)
class Membrane:
    """One leaky membrane: u = v - leak (v - v_reset) + x before the spike, v after it; leak is 1/tau.

    reset: "soft", v = u - theta s, or "hard", v = u (1 - s) + v_reset s.
    v_reset: where a hard reset leads, the leak pulls and the sequence begins, in units of the input.
    decay_input: charge by leak x in place of x.  detach_reset: no gradient through the s of the reset.
    Raises ValueError for a v_reset with soft reset, UnknownNameError for another word than these two.
    """

    reset: str = "soft"
    v_reset: float = 0.0
    decay_input: bool = False
    detach_reset: bool = False

    def __post_init__(self) -> None:
        if self.reset not in ("soft", "hard"):
            raise UnknownNameError("reset", self.reset, ("soft", "hard"))
        if self.reset == "soft" and self.v_reset != 0:
            raise ValueError(f"v_reset is for reset = 'hard' alone; a soft reset needs 0, not {self.v_reset}")

    def rest(self, x: Tensor) -> Tensor:
        """Return the membrane before the first timestep, of the shape of x."""
        return torch.full_like(x, self.v_reset)

    def charge(self, v: Tensor, x: Tensor, leak: float | Tensor) -> Tensor:
        """Return u from the last v and the input x."""
        u = (1 - leak) * v + (leak * x if self.decay_input else x)
        return u + leak * self.v_reset if self.v_reset else u

    def after(self, spikes: Tensor, u: Tensor, threshold: float | Tensor) -> Tensor:
        """Return v after the spikes that u made."""
        if self.detach_reset:
            spikes = spikes.detach()
        if self.reset == "soft":
            return u - threshold * spikes
        v = u * (1 - spikes)
        return v + self.v_reset * spikes if self.v_reset else v


class LeakyNeuron(Neuron):
    """A neuron of one leaky membrane v and one threshold: their parameters, and the state before the first timestep."""

    elementwise = True

    def __init__(
        self,
        *,
        tau: float = 2.0,
        threshold: float = 1.0,
        reset: Literal["soft", "hard"] = "soft",
        v_reset: float = 0.0,
        decay_input: bool = False,
        detach_reset: bool = False,
        surrogate: SurrogateName = "rectangle",
    ) -> None:
        super().__init__(surrogate=surrogate)
        self.keep_leak(time_constant(tau))
        self.threshold = positive("threshold", threshold)
        self.membrane = Membrane(reset, v_reset, decay_input, detach_reset)
        self.exact_gradient = not detach_reset

    def keep_leak(self, tau: float) -> None:
        """Keep the membrane time constant, timesteps, in the form in which `step` wants it."""
        self.tau = tau

    def initial_state(self, x: Tensor) -> State:
        """Return v = v_reset, of the shape of x [N, ...]."""
        return (self.membrane.rest(x),)
