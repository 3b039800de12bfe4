"""LIF with one thing wrong at a time: what the kit is there to catch."""

import torch
from torch import nn

from bench.neurons import Neuron


class Sound(Neuron):
    """u = v / 2 + x; s = [u >= 1]; v = u - s.

    Source: LIF of this package.
    """

    elementwise = True

    def __init__(self):
        super().__init__()

    def initial_state(self, x):
        return (torch.zeros_like(x),)

    def step(self, x, state):
        u = 0.5 * state[0] + x
        s = self.fire(u - 1)
        return s, (u - s,)


class HiddenState(Sound):
    """u = v / 2 + x, v being kept on self. Source: none."""

    def __init__(self):
        super().__init__()
        self.v = torch.zeros(())

    def step(self, x, state):
        u = 0.5 * (self.v if self.v.shape == x.shape else state[0]) + x
        s = self.fire(u - 1)
        self.v = (u - s).detach()
        return s, (self.v,)


class Acausal(Sound):
    """s[t] = [u[t] + 0.1 x[T] >= 1]. Source: none."""

    def forward(self, x):
        return super().forward(x + 0.1 * x[-1:])


class InPlace(Sound):
    """v = tanh(v), written over v. Source: none."""

    def step(self, x, state):
        s, (v,) = super().step(x, state)
        with torch.no_grad():
            state[0].tanh_()
        return s, (v,)


class NoGradient(Sound):
    """s = [u >= 1], detached. Source: none."""

    def step(self, x, state):
        s, state = super().step(x, state)
        return s.detach() + 0 * x, state


class Half(Sound):
    """s = [u >= 1] / 2. Source: none."""

    def step(self, x, state):
        s, state = super().step(x, state)
        return 0.5 * s, state


class Random(Sound):
    """u = w v + x; w = a random number. Source: none."""

    def __init__(self):
        super().__init__()
        self.w = nn.Parameter(torch.rand(()))

    def step(self, x, state):
        u = torch.sigmoid(self.w) * state[0] + x
        s = self.fire(u - 1)
        return s, (u - s,)


class BatchOrder(Sound):
    """u = v / 2 + x - 0.1 x of the first sample. Source: none."""

    elementwise = False

    def step(self, x, state):
        return super().step(x - 0.1 * x[:1], state)


class Mixing(Sound):
    """u = v / 2 + x - mean(x) / 2 over the batch. Source: none."""

    elementwise = False

    def step(self, x, state):
        return super().step(x - 0.5 * x.mean(0, keepdim=True), state)


class BrokenPromise(Sound):
    """u = v / 2 + x - mean(x) / 2 over the units. Source: none."""

    def step(self, x, state):
        return super().step(x - 0.5 * x.mean(tuple(range(1, x.dim())), keepdim=True), state)


class WrongGradient(Sound):
    """s = [u >= 1]; the reset is cut off the gradient. Source: none."""

    def step(self, x, state):
        u = 0.5 * state[0] + x
        s = self.fire(u - 1)
        return s, (u - s.detach(),)


class Branching(Sound):
    """s = [u >= 1] where any x > 0. Source: none."""

    def step(self, x, state):
        return super().step(x if x.max() > 0 else 0 * x, state)


class Unpriced(Sound):
    """u = v / 2 + i0(x). Source: none."""

    def step(self, x, state):
        return super().step(torch.i0(x), state)


class Silent(Sound):
    """s = [u >= 1e9]. Source: none."""

    def step(self, x, state):
        s = self.fire(x - 1e9)
        return s, (x,)


class DoublePrecision(Sound):
    """u = v / 2 + x, in float64. Source: none."""

    def step(self, x, state):
        return super().step(x.double(), state)


class Explodes(Sound):
    """u = exp(x) v + x. Source: none."""

    def step(self, x, state):
        u = torch.exp(x) * state[0] + torch.exp(x)
        s = self.fire(u - 1)
        return s, (u - s,)


class Misnamed(Sound):
    """u = v / 2 + x; tau: its default is of another type. Source: none."""

    def __init__(self, *, tau: float = "two"):
        super().__init__()


class EvalState(Sound):
    """u = v / 2 + x, v being kept on self in eval mode. Source: none."""

    def __init__(self):
        super().__init__()
        self.v = torch.zeros(())

    def step(self, x, state):
        v = self.v if not self.training and self.v.shape == x.shape else state[0]
        u = 0.5 * v + x
        s = self.fire(u - 1)
        self.v = (u - s).detach()
        return s, (u - s,)


class EvalDiffers(Sound):
    """u = v / 2 + x, and x / 2 in eval mode. Source: none."""

    def step(self, x, state):
        return super().step(x if self.training else 0.5 * x, state)


class BatchSize(Sound):
    """u = v / 2 + x, and 0.9 x in large batches. Source: none."""

    def step(self, x, state):
        return super().step(0.9 * x if len(x) >= 8 else x, state)


class Length(Sound):
    """u = v / 2 + x, and 0.9 x in long sequences. Source: none."""

    def forward(self, x):
        return super().forward(0.9 * x if len(x) > 6 else x)


class Noise(Sound):
    """u = v / 2 + x + noise. Source: none."""

    exact_gradient = False

    def step(self, x, state):
        return super().step(x + 0.001 * torch.rand_like(x), state)


class NegativeSlope(Sound):
    """s = [u >= 1], with a derivative below 0. Source: none."""

    def fire(self, u_minus_threshold):
        return super().fire(u_minus_threshold) - 3 * (u_minus_threshold - u_minus_threshold.detach())


class InfiniteSlope(Sound):
    """u = v / 2 + x + 0 sqrt(x - x), whose gradient is 0 times infinity. Source: none."""

    def step(self, x, state):
        return super().step(x + 0 * (x - x).sqrt(), state)


class Settings(Sound):
    """u = v / 2 + x, after asking for deterministic algorithms everywhere. Source: none."""

    def __init__(self):
        super().__init__()
        torch.use_deterministic_algorithms(True)


class Undocumented(Sound):
    """A neuron."""

    def __init__(self, *, tau: float, gain: float = 1.0):
        super().__init__()


class Unpicklable(Sound):
    """u = v / 2 + x. Source: none."""

    def __init__(self):
        super().__init__()
        self.leak = lambda v: 0.5 * v


class Uncompilable(Sound):
    """u = v / 2 + x, with a call that no graph holds. Source: none."""

    def step(self, x, state):
        torch._dynamo.graph_break()
        return super().step(x, state)


# class -> checks that must fail
CAUGHT = {
    HiddenState: {"no memory"},
    Acausal: {"causality"},
    InPlace: {"pure step"},
    NoGradient: {"gradients", "derivatives"},
    Half: {"binary"},
    Random: {"construction"},
    BatchOrder: {"samples"},
    Mixing: {"samples"},
    BrokenPromise: {"elementwise"},
    WrongGradient: {"derivatives"},
    Branching: {"cost"},
    Unpriced: {"cost"},
    Silent: {"alive", "gradients"},
    DoublePrecision: {"precision"},
    Explodes: {"large input"},
    Misnamed: {"schema"},
    EvalState: {"no memory"},
    EvalDiffers: {"modes"},
    BatchSize: {"samples"},
    Length: {"causality"},
    Noise: {"no memory"},
    NegativeSlope: {"derivatives"},
    InfiniteSlope: {"gradients"},
    Settings: {"construction"},
}
