"""Gradients through space alone: equal to a loop by hand that detaches the state, plain and fused."""

import pytest
import torch
from torch import nn

import bench.neurons.base
from bench.errors import ParameterError
from bench.neurons import CLIF, LIF, PSN, Neuron, ReLU
from bench.neurons.surrogate import derivative_of, spike
from bench.sequences import repeat

T, TAU = 3, 2.0


def drawn(*shape, seed):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def fires(u):
    return spike(u - 1, derivative_of("rectangle"))


def lif(x):
    v, spikes = torch.zeros_like(x[0]), []
    for current in x:
        u = (1 - 1 / TAU) * v.detach() + current
        spikes.append(fires(u))
        v = u - spikes[-1]
    return torch.stack(spikes)


def clif(x):
    v, m, spikes = torch.zeros_like(x[0]), torch.zeros_like(x[0]), []
    for current in x:
        v, m = v.detach(), m.detach()
        u = (1 - 1 / TAU) * v + current
        spikes.append(fires(u))
        m = m * torch.sigmoid(u / TAU) + spikes[-1]
        v = u - spikes[-1] * (1 + torch.sigmoid(m))
    return torch.stack(spikes)


def gradient_of(run, x, cotangent):
    x = x.clone().requires_grad_()
    spikes = run(x)
    spikes.backward(cotangent.to(spikes.dtype))
    return spikes.detach(), x.grad


@pytest.mark.parametrize(("make", "by_hand"), [(LIF, lif), (CLIF, clif)])
def test_the_gradient_is_that_of_a_loop_which_detaches_the_state(make, by_hand):
    x, cotangent = drawn(T, 5, 6, seed=0) + 0.6, drawn(T, 5, 6, seed=1)
    neuron = make(tau=TAU)
    spikes, through_time = gradient_of(neuron, x, cotangent)
    neuron.cut_time(True)
    found, expected = gradient_of(neuron, x, cotangent), gradient_of(by_hand, x, cotangent)
    assert torch.equal(found[0], spikes) and torch.equal(found[0], expected[0]) and 0.1 < spikes.mean() < 0.9
    torch.testing.assert_close(found[1], expected[1], rtol=0, atol=1e-14)
    # The last timestep's gradient never went through time; those before it lose what the later ones sent back.
    assert torch.equal(found[1][-1], through_time[-1])
    assert all((found[1][t] - through_time[t]).abs().max() > 0.1 for t in range(T - 1))
    # Each timestep by itself: the cotangent times the surrogate at its membrane, and nothing else.
    assert set(found[1].unique().tolist()) <= {0.0, *cotangent.unique().tolist()}
    neuron.cut_time(False)
    assert torch.equal(gradient_of(neuron, x, cotangent)[1], through_time)


def test_evaluation_keeps_the_gradient_through_time():
    x, cotangent = drawn(T, 5, 6, seed=0) + 0.6, drawn(T, 5, 6, seed=1)
    neuron = CLIF().eval()
    expected = gradient_of(neuron, x, cotangent)[1]
    neuron.cut_time(True)
    assert torch.equal(gradient_of(neuron, x, cotangent)[1], expected)


def test_a_neuron_whose_state_is_its_past_inputs_learns_from_the_present_one():
    x, cotangent = drawn(3, 2, seed=0) + 0.6, torch.ones(3, 2, dtype=torch.float64)
    neuron = PSN(k=2, surrogate="sigmoid").double()
    neuron.cut_time(True)
    _, found = gradient_of(neuron, x, cotangent)
    past = torch.cat([torch.zeros(1, 2, dtype=torch.float64), x[:-1]])
    slope = derivative_of("sigmoid")(0.5 * past + x - 1)
    torch.testing.assert_close(found, slope, rtol=0, atol=1e-14)  # its present weight is 1
    # What was seen before is data: its weight learns from it all the same.
    torch.testing.assert_close(neuron.w.grad, torch.stack([(slope * past).sum(), (slope * x).sum()]))


@pytest.mark.parametrize("make", [LIF, CLIF])
def test_fused_cuts_time_as_plain_does_and_shares_no_graph_with_what_does_not(make, monkeypatch):
    asked, original = [], bench.neurons.base.fused_sequence
    monkeypatch.setattr(
        bench.neurons.base, "fused_sequence", lambda cls, graph: asked.append((cls, graph)) or original(cls, graph)
    )
    x, cotangent = (drawn(T, 5, 6, seed=0) + 0.6).float(), drawn(T, 5, 6, seed=1).float()
    neuron = make(tau=TAU)
    neuron.use_fused(True)
    through_time = gradient_of(neuron, x, cotangent)[1]
    neuron.cut_time(True)
    fused = gradient_of(neuron, x, cotangent)
    neuron.use_fused(False)
    plain = gradient_of(neuron, x, cotangent)
    assert torch.equal(fused[0], plain[0])
    torch.testing.assert_close(fused[1], plain[1], rtol=1e-5, atol=1e-6)
    assert (fused[1] - through_time).abs().max() > 0.1
    assert len(asked) == len(set(asked)) == 2


def test_a_repeated_frame_sums_what_each_timestep_sends_it():
    frame, cotangent = drawn(5, 6, seed=0) + 0.6, drawn(T, 5, 6, seed=1)
    neuron = LIF(tau=TAU)
    neuron.cut_time(True)
    leaf = frame.clone().requires_grad_()
    neuron(repeat(leaf, T)).backward(cotangent)
    expected = gradient_of(lif, torch.stack([frame] * T), cotangent)[1].sum(0)
    torch.testing.assert_close(leaf.grad, expected, rtol=0, atol=1e-14)


class OwnLoop(LIF):
    """A LIF that steps through time by itself."""

    name = "own-loop"

    def forward(self, x):
        state, spikes = self.initial_state(x[0]), []
        for current in x:
            fired, state = self.step(current, state)
            spikes.append(fired)
        return torch.stack(spikes)


def test_a_loop_of_its_own_is_refused_where_it_keeps_a_state():
    with pytest.raises(ParameterError, match="neuron 'own-loop' steps through time by itself"):
        OwnLoop().cut_time(True)
    OwnLoop().cut_time(False)
    ReLU().cut_time(True)  # has its own, and nothing to keep


class Channels(Neuron):
    """A neuron with an initial state of each channel."""

    def __init__(self, *, _channels):
        super().__init__()
        self.rest = nn.Parameter(torch.zeros(_channels, 1, 1))

    def initial_state(self, x):
        return (self.rest + torch.zeros_like(x),)

    def step(self, x, state):
        u = 0.5 * state[0] + x
        spikes = self.fire(u - 1)
        return spikes, (u - spikes,)


def test_what_the_first_state_is_made_of_still_learns():
    neuron = Channels(_channels=3).double()
    neuron.cut_time(True)
    neuron(drawn(T, 2, 3, 4, 4, seed=0) + 0.6).sum().backward()
    assert neuron.rest.grad.abs().max() > 0
