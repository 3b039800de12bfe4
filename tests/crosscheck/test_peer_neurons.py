"""This project's neurons against SpikingJelly's, in float64: spikes, membranes, gradients."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from crosscheck_peers import peer
from torch import Tensor

from bench.neurons import CLIF, IF, LIF, PLIF
from bench.neurons.base import Neuron

SHAPE = (8, 3, 40)
# Both sides are float64 of the same formula; what differs is the order of a handful of operations over 8 timesteps.
TOLERANCE = 1e-12
SURROGATES = ("rectangle", "atan", "sigmoid", "triangle")


def surrogate_of(name: str) -> Any:
    """SpikingJelly's own surrogate of the same derivative, all four of area and height 1.

    Its Rect is 1 where |x| < 1/2, ours where |x| <= 1/2: they differ on a set that random numbers do not hit.
    """
    with peer("spikingjelly"):
        from spikingjelly.activation_based import surrogate
    makers = {
        "rectangle": lambda: surrogate.Rect(alpha=1.0),
        "atan": lambda: surrogate.ATan(alpha=2.0),
        "sigmoid": lambda: surrogate.Sigmoid(alpha=4.0),
        "triangle": lambda: surrogate.PiecewiseQuadratic(alpha=1.0),
    }
    return makers[name]()


def pair(name: str, surrogate: str, tau: float, threshold: float) -> tuple[Neuron, Any]:
    """Our neuron and SpikingJelly's node in this project's form: input not decayed, soft reset, nothing detached."""
    with peer("spikingjelly"):
        from spikingjelly.activation_based import neuron
    ours: dict[str, Any] = {"surrogate": surrogate, "threshold": threshold}
    theirs: dict[str, Any] = {
        "surrogate_function": surrogate_of(surrogate),
        "v_threshold": threshold,
        "step_mode": "m",
    }
    soft = {"v_reset": None, "detach_reset": False}
    if name == "if":
        return IF(**ours), neuron.IFNode(**theirs, **soft)
    if name == "lif":
        return LIF(tau=tau, **ours), neuron.LIFNode(tau=tau, decay_input=False, **theirs, **soft)
    if name == "plif":
        node = neuron.ParametricLIFNode(init_tau=tau, decay_input=False, **theirs, **soft)
        return PLIF(tau=tau, **ours).double(), node.double()
    # Its only form is this one: there is no input decay and no hard reset to turn off.
    return CLIF(tau=tau, **ours), neuron.ComplementaryLIFNode(tau=tau, **theirs)


def run(module: Any, x: Tensor, cotangent: Tensor) -> tuple[Tensor, Tensor, list[Tensor]]:
    """Return spikes, the gradient of the input and those of the parameters."""
    x = x.clone().requires_grad_()
    spikes = module(x)
    parameters = list(module.parameters())
    gradient, *rest = torch.autograd.grad((spikes * cotangent).sum(), [x, *parameters])
    return spikes.detach(), gradient, rest


@pytest.mark.parametrize("surrogate", SURROGATES)
@pytest.mark.parametrize(("tau", "threshold"), [(2.0, 1.0), (1.3, 0.7), (5.0, 1.5)])
@pytest.mark.parametrize("name", ["if", "lif", "plif", "clif"])
def test_neuron_equals_spikingjellys(name: str, tau: float, threshold: float, surrogate: str) -> None:
    ours, theirs = pair(name, surrogate, tau, threshold)
    generator = torch.Generator().manual_seed(5)
    x = 1.5 * torch.rand(SHAPE, dtype=torch.float64, generator=generator) - 0.2
    cotangent = torch.randn(SHAPE, dtype=torch.float64, generator=generator)
    spikes, gradient, parameters = run(ours.train(), x, cotangent)
    their_spikes, their_gradient, their_parameters = run(theirs.train(), x, cotangent)
    assert torch.equal(spikes, their_spikes)
    assert 0.05 < spikes.mean() < 0.95
    scale = float(gradient.abs().max())
    assert scale > 0.1
    torch.testing.assert_close(gradient, their_gradient, rtol=0, atol=TOLERANCE * scale)
    assert len(parameters) == len(their_parameters) == (name == "plif")
    for mine, other in zip(parameters, their_parameters, strict=True):
        torch.testing.assert_close(mine, other, rtol=TOLERANCE, atol=0)


@pytest.mark.parametrize("name", ["if", "lif", "plif", "clif"])
def test_membrane_equals_spikingjellys(name: str) -> None:
    """Step by step, so that states which would make the same spikes are told apart."""
    ours, theirs = pair(name, "rectangle", 2.0, 1.0)
    theirs.step_mode = "s"
    x = 1.5 * torch.rand(SHAPE, dtype=torch.float64, generator=torch.Generator().manual_seed(6)) - 0.2
    state = ours.initial_state(x[0])
    for current in x:
        _, state = ours.step(current, state)
        theirs(current)
        kept = [theirs.v, theirs.m] if name == "clif" else [theirs.v]
        for mine, other in zip(state, kept, strict=True):
            torch.testing.assert_close(mine, other, rtol=0, atol=TOLERANCE)
