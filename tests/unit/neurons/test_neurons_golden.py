"""LIF and CLIF against float64 golden values; IF and PLIF against sequences computed by hand."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch

from bench.neurons import CLIF, IF, LIF, PLIF

GOLDEN = Path(__file__).parents[2] / "golden"
CASES = json.loads((GOLDEN / "neurons.json").read_text("utf-8"))
VALUES = np.load(GOLDEN / "neurons.npz")


def states(neuron, x):
    """The first state variable after each timestep, [T, N, ...]."""
    state, found = neuron.initial_state(x[0]), []
    for current in x:
        _, state = neuron.step(current, state)
        found.append(state[0])
    return torch.stack(found)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["key"])
def test_golden_spikes_membrane_and_gradient(case):
    neuron = {"lif": LIF, "clif": CLIF}[case["neuron"]](tau=case["tau"])
    x, cotangent, spikes, v, gradient = (
        torch.from_numpy(VALUES[f"{case['key']}_{part}"]) for part in ("x", "cotangent", "spikes", "v", "grad_x")
    )
    x.requires_grad_()
    out = neuron(x)
    out.backward(cotangent)
    assert torch.equal(out, spikes)
    assert (states(neuron, x) - v).abs().max().item() < 1e-12
    assert (x.grad - gradient).abs().max().item() < 1e-12
    assert out.mean().item() == pytest.approx(case["fire_rate"], abs=1e-12)


def test_if_by_hand():
    x = torch.tensor([0.6, 0.6, 0.6, 1.2, -0.5], dtype=torch.float64)[:, None]
    assert IF()(x).flatten().tolist() == [0, 1, 0, 1, 0]
    assert states(IF(), x).flatten().tolist() == pytest.approx([0.6, 0.2, 0.8, 1.0, 0.5])
    assert IF(threshold=0.5)(x).flatten().tolist() == [1, 1, 1, 1, 1]


def test_plif_by_hand_and_gradient_of_its_time_constant():
    # tau = 4: u = 0.75 v + x. x = 0.8, 0.2, 0.5: u = 0.8, 0.8, 1.1; spike at the third; v = 0.8, 0.8, 0.1.
    neuron = PLIF(tau=4.0).double()
    x = torch.tensor([0.8, 0.2, 0.5], dtype=torch.float64)[:, None]
    out = neuron(x)
    assert out.flatten().tolist() == [0, 0, 1]
    assert states(neuron, x).flatten().tolist() == pytest.approx([0.8, 0.8, 0.1], abs=1e-7)
    out.sum().backward()
    # With k = 1 - sigmoid(w), every u within 1/2 of the threshold and the surrogate 1, v does not depend on u:
    # dv/du = 1 - 1 = 0. So d(sum s)/dk = v_1 + v_2 = 0.8 + 0.8, and dk/dw = -0.25 * 0.75.
    assert neuron.w.grad.item() == pytest.approx(-0.25 * 0.75 * 1.6, abs=1e-6)


def test_plif_starts_as_lif():
    x = torch.rand(8, 3, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64) * 1.5
    assert torch.equal(PLIF(tau=2.0).double()(x), LIF(tau=2.0)(x))
    assert torch.sigmoid(PLIF(tau=5.0).w).item() == pytest.approx(0.2)


def test_clif_reset_is_deeper_by_sigmoid_of_m():
    # One spike from rest: u = 1.5, m = 0 * sigmoid(0.75) + 1 = 1, v = 1.5 - (1 + sigmoid(1)).
    x = torch.tensor([[1.5]], dtype=torch.float64)
    _, (v, m) = CLIF(tau=2.0).step(x[0], CLIF().initial_state(x[0]))
    assert m.item() == 1.0
    assert v.item() == pytest.approx(0.5 - 1 / (1 + math.exp(-1)), abs=1e-15)


@pytest.mark.parametrize("neuron", [LIF, PLIF, CLIF])
@pytest.mark.parametrize("tau", [1.0, 0.5, math.nan])
def test_tau_must_exceed_one_timestep(neuron, tau):
    with pytest.raises(ValueError, match="tau should be above 1"):
        neuron(tau=tau)


@pytest.mark.parametrize("neuron", [IF, LIF, PLIF, CLIF])
def test_threshold_must_be_positive(neuron):
    with pytest.raises(ValueError, match="threshold should be above 0"):
        neuron(threshold=0.0)
