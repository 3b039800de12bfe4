"""The neurons of NIR on a grid of time: its differential equations by forward Euler, each neuron with its own numbers.

Coefficients are worked out in float64 and rounded once to the dtype of the network. A membrane and a current begin
at 0, of which NIR states nothing.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from bench.errors import BenchError
from bench.neurons.base import Neuron, State
from bench.neurons.surrogate import Derivative

Array = np.ndarray[Any, Any]


class _SpikeAbove(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, derivative: Derivative) -> Tensor:
        ctx.save_for_backward(x)
        ctx.derivative = derivative
        return (x > 0).to(x.dtype)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        (x,) = ctx.saved_tensors
        return gradients[0] * ctx.derivative(x), None


class NirNeuron(Neuron):
    """What the neurons of NIR share: numbers per neuron, and a spike strictly above the threshold.

    node: the node's name in the graph.  shape: of one sample at one timestep, as the graph's arrays have it; one
    number, or an extent of 1, is for all.
    """

    def __init__(self, *, node: str, shape: tuple[int, ...], dtype: torch.dtype = torch.float32) -> None:
        super().__init__()
        self.node, self.shape, self.dtype = node, shape, dtype

    def keep(self, name: str, values: Array, neutral: float | None = None) -> None:
        """Keep numbers per neuron as a buffer; as None where all are the `neutral` element of what is done with them.

        Raises BenchError where one is not finite.
        """
        if not np.isfinite(values).all():
            raise BenchError(f"node '{self.node}': its parameters give a {name} that is not finite")
        kept = torch.from_numpy(np.array(values, dtype=np.float64)).to(self.dtype)
        if neutral is not None and bool((kept == neutral).all()):
            self.register_buffer(name, None)
        else:
            self.register_buffer(name, kept.reshape(()) if kept.numel() == 1 else kept)

    def fire(self, u_minus_threshold: Tensor) -> Tensor:
        """Return 1 where the membrane is above the threshold, 0 at it and below."""
        spikes: Tensor = _SpikeAbove.apply(u_minus_threshold, self._derivative)
        return spikes

    def check(self, x: Tensor) -> None:
        """Raise BenchError unless the numbers fit an input of one timestep, x [N, ...]."""
        sizes = tuple(x.shape[1:])
        alike = len(self.shape) == len(sizes) and all(
            own in (1, size) for own, size in zip(self.shape, sizes, strict=True)
        )
        if not alike and np.prod(self.shape, dtype=int) != 1:
            raise BenchError(f"node '{self.node}': parameters of shape {self.shape} for an input of shape {sizes}")


class Membrane(NirNeuron):
    """One membrane: u = decay v + gain x + drift, which is what comes out where there is no threshold.

    With one: s = [u > v_threshold]; v = v_reset where s is 1, u elsewhere.
    """

    spiking = False
    decay: Tensor | None
    gain: Tensor | None
    drift: Tensor | None
    v_threshold: Tensor
    v_reset: Tensor | None

    def keep_membrane(self, decay: Array, gain: Array, drift: Array) -> None:
        """Keep the coefficients of the charge."""
        self.keep("decay", decay, neutral=1)
        self.keep("gain", gain, neutral=1)
        self.keep("drift", drift, neutral=0)

    def keep_threshold(self, v_threshold: Array, v_reset: Array) -> None:
        """Keep where the membrane fires, and where that leads."""
        self.keep("v_threshold", v_threshold)
        self.keep("v_reset", v_reset, neutral=0)

    def initial_state(self, x: Tensor) -> State:
        """Return v = 0, of the shape of x [N, ...]. Raises BenchError where the parameters do not fit it."""
        self.check(x)
        return (torch.zeros_like(x),)

    def charge(self, v: Tensor, x: Tensor) -> Tensor:
        """Return u from the last v and the current x."""
        u = (v if self.decay is None else self.decay * v) + (x if self.gain is None else self.gain * x)
        return u if self.drift is None else u + self.drift

    def discharge(self, u: Tensor) -> tuple[Tensor, Tensor]:
        """Return what comes out and the v after it."""
        if not self.spiking:
            return u, u
        spikes = self.fire(u - self.v_threshold)
        v = u * (1 - spikes)
        return spikes, v if self.v_reset is None else v + self.v_reset * spikes

    def step(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """Advance one timestep: x [N, ...], (v,) -> spikes or membrane, (v,)."""
        out, v = self.discharge(self.charge(state[0], x))
        return out, (v,)


class I(Membrane):  # noqa: E742
    """Integrator, dv/dt = r x: v = v + dt r x comes out."""

    name = "nir-i"

    def __init__(self, *, r: Array, dt: float, **common: Any) -> None:
        super().__init__(shape=r.shape, **common)
        self.keep_membrane(np.ones_like(r), dt * r, np.zeros_like(r))


class IF(I):
    """Integrate and fire, dv/dt = r x: u = v + dt r x; s = [u > v_threshold]; v = v_reset where it fires."""

    name = "nir-if"
    spiking = True

    def __init__(self, *, r: Array, v_threshold: Array, v_reset: Array, dt: float, **common: Any) -> None:
        super().__init__(r=r, dt=dt, **common)
        self.keep_threshold(v_threshold, v_reset)


class LI(Membrane):
    """Leaky integrator, tau dv/dt = v_leak - v + r x: v = v + (dt / tau) (v_leak - v + r x) comes out.

    tau: the time constant, in the unit of dt (> 0).
    """

    name = "nir-li"

    def __init__(self, *, tau: Array, r: Array, v_leak: Array, dt: float, **common: Any) -> None:
        super().__init__(shape=tau.shape, **common)
        leak = dt / time_constants(self.node, "tau", tau)
        self.keep_membrane(1 - leak, leak * r, leak * v_leak)


class LIF(LI):
    """Leaky integrate and fire: as LI; s = [v > v_threshold] comes out; v = v_reset where it fires."""

    name = "nir-lif"
    spiking = True

    def __init__(self, *, v_threshold: Array, v_reset: Array, **leaky: Any) -> None:
        super().__init__(**leaky)
        self.keep_threshold(v_threshold, v_reset)


class CubaLI(Membrane):
    """Current-based leaky integrator: tau_syn di/dt = w_in x - i and tau_mem dv/dt = v_leak - v + r i.

    Both take their step from the state before it, as forward Euler does: the input of a timestep is in i at its end and
    reaches v at the next. v comes out.
    """

    name = "nir-cubali"
    current_decay: Tensor | None
    current_gain: Tensor | None

    def __init__(
        self, *, tau_syn: Array, tau_mem: Array, r: Array, v_leak: Array, w_in: Array, dt: float, **common: Any
    ) -> None:
        super().__init__(shape=tau_mem.shape, **common)
        leak = dt / time_constants(self.node, "tau_mem", tau_mem)
        current_leak = dt / time_constants(self.node, "tau_syn", tau_syn)
        self.keep_membrane(1 - leak, leak * r, leak * v_leak)
        self.keep("current_decay", 1 - current_leak, neutral=1)
        self.keep("current_gain", current_leak * w_in, neutral=1)

    def initial_state(self, x: Tensor) -> State:
        """Return i = 0 and v = 0, of the shape of x [N, ...]. Raises BenchError where the parameters do not fit it."""
        self.check(x)
        return torch.zeros_like(x), torch.zeros_like(x)

    def step(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """Advance one timestep: x [N, ...], (i, v) -> spikes or membrane, (i, v)."""
        i, v = state
        out, v = self.discharge(self.charge(v, i))
        kept = i if self.current_decay is None else self.current_decay * i
        return out, (kept + (x if self.current_gain is None else self.current_gain * x), v)


class CubaLIF(CubaLI):
    """Current-based leaky integrate and fire: as CubaLI; s = [v > v_threshold]; v = v_reset where it fires."""

    name = "nir-cubalif"
    spiking = True

    def __init__(self, *, v_threshold: Array, v_reset: Array, **leaky: Any) -> None:
        super().__init__(**leaky)
        self.keep_threshold(v_threshold, v_reset)


class Threshold(NirNeuron):
    """The step without a state: s = [x > threshold]."""

    name = "nir-threshold"
    threshold: Tensor

    def __init__(self, *, threshold: Array, **common: Any) -> None:
        super().__init__(shape=threshold.shape, **common)
        self.keep("threshold", threshold)

    def initial_state(self, x: Tensor) -> State:
        """Return no state. Raises BenchError where the thresholds do not fit x [N, ...]."""
        self.check(x)
        return ()

    def step(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """Advance one timestep: x [N, ...] -> spikes."""
        return self.fire(x - self.threshold), ()


def time_constants(node: str, name: str, values: Array) -> Array:
    """Return the values. Raises BenchError unless all are above 0."""
    if not (values > 0).all():
        raise BenchError(f"node '{node}': {name} should be above 0 everywhere")
    return values
