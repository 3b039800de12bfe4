"""The neurons that are read, against NIR's equations written out in numpy, neuron by neuron."""

import nir
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import bench

UNITS, TIMESTEPS, SAMPLES = 6, 12, 3
RANGES = {
    "tau": (2e-3, 9e-3),
    "tau_mem": (2e-3, 9e-3),
    "tau_syn": (2e-3, 9e-3),
    "r": (1.0, 9.0),
    "v_leak": (-0.2, 0.4),
    "v_threshold": (0.2, 1.0),
    "v_reset": (-0.5, 0.1),
    "w_in": (0.5, 3.0),
}
FIELDS = {
    nir.I: ("r",),
    nir.IF: ("r", "v_threshold", "v_reset"),
    nir.LI: ("tau", "r", "v_leak"),
    nir.LIF: ("tau", "r", "v_leak", "v_threshold", "v_reset"),
    nir.CubaLI: ("tau_syn", "tau_mem", "r", "v_leak", "w_in"),
    nir.CubaLIF: ("tau_syn", "tau_mem", "r", "v_leak", "v_threshold", "v_reset", "w_in"),
}


def euler(node, currents, dt):
    """What a node gives for currents [T, N, ...]: dv and di from the state before, then the spike, then the reset."""
    v, i = np.zeros_like(currents[0]), np.zeros_like(currents[0])
    out = []
    for x in currents:
        match type(node).__name__:
            case "I" | "IF":
                v = v + dt * node.r * x
            case "LI" | "LIF":
                v = v + dt / node.tau * (node.v_leak - v + node.r * x)
            case "CubaLI" | "CubaLIF":
                i, v = (
                    i + dt / node.tau_syn * (-i + node.w_in * x),
                    v + dt / node.tau_mem * (node.v_leak - v + node.r * i),
                )
        if hasattr(node, "v_threshold"):
            fired = v > node.v_threshold
            v = np.where(fired, node.v_reset, v)
            out.append(fired.astype(float))
        else:
            out.append(v)
    return np.stack(out)


def alone(node):
    return nir.NIRGraph.from_list(node)


@pytest.mark.parametrize("kind", FIELDS, ids=lambda kind: kind.__name__)
@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), shape=st.sampled_from([(UNITS,), (2, 3), (2, 1, 3)]))
def test_every_neuron_keeps_its_own_equation(kind, seed, shape):
    rng = np.random.default_rng(seed)
    node = kind(**{field: rng.uniform(*RANGES[field], shape) for field in FIELDS[kind]})
    dt = rng.uniform(2e-4, 2e-3)
    currents = rng.normal(0.3, 1, (TIMESTEPS, SAMPLES, *shape)) / (dt if kind in (nir.I, nir.IF) else 1) / 4
    given_ = bench.from_nir(alone(node), dt=dt, dtype=torch.float64)(torch.from_numpy(currents)).numpy()
    expected = euler(node, currents, dt)
    if "v_threshold" in FIELDS[kind]:
        assert np.array_equal(given_, expected)
    else:
        assert np.allclose(given_, expected, rtol=1e-12, atol=1e-12)


def test_the_neurons_of_the_tests_fire():
    rng = np.random.default_rng(0)
    for kind in (nir.IF, nir.LIF, nir.CubaLIF):
        node = kind(**{field: rng.uniform(*RANGES[field], UNITS) for field in FIELDS[kind]})
        assert 0 < euler(node, np.full((TIMESTEPS, 1, UNITS), 300.0 if kind is nir.IF else 0.5), 1e-3).mean() < 1


def test_a_membrane_at_the_threshold_does_not_fire_and_one_above_does():
    node = nir.IF(r=np.ones(3), v_threshold=np.ones(3))
    at = torch.tensor([[1.0, np.nextafter(np.float32(1), np.float32(2)), np.nextafter(np.float32(1), np.float32(0))]])
    assert bench.from_nir(alone(node), dt=1.0)(at.unsqueeze(0)).tolist() == [[[0.0, 1.0, 0.0]]]
    step = nir.Threshold(threshold=np.ones(3))
    assert bench.from_nir(alone(step))(at.unsqueeze(0)).tolist() == [[[0.0, 1.0, 0.0]]]


def test_a_spike_leads_to_v_reset_however_far_above_the_threshold():
    node = nir.IF(r=np.ones(1), v_threshold=np.ones(1), v_reset=np.full(1, 0.25))
    network = bench.from_nir(alone(node), dt=1.0)
    x = torch.tensor([5.0, 0.75, 0.125]).reshape(3, 1, 1)  # to 0.25, to 1.0, to 1.125
    assert network(x).flatten().tolist() == [1.0, 0.0, 1.0]


def test_the_input_of_a_timestep_reaches_a_current_based_membrane_at_the_next():
    node = nir.CubaLI(*(np.ones(1) for _ in range(3)), v_leak=np.zeros(1))
    x = torch.tensor([1.0, 0.0, 0.0]).reshape(3, 1, 1)
    assert bench.from_nir(alone(node), dt=1.0)(x).flatten().tolist() == [0.0, 1.0, 0.0]


def test_gradients_reach_the_input_through_a_surrogate():
    node = nir.LIF(tau=np.full(1, 2.0), r=np.full(1, 2.0), v_leak=np.zeros(1), v_threshold=np.ones(1))
    x = torch.full((3, 1, 1), 1.2, requires_grad=True)
    bench.from_nir(alone(node), dt=1.0)(x).sum().backward()
    assert x.grad is not None and bool((x.grad != 0).any())


def test_one_number_stands_for_all_and_another_shape_is_refused():
    one = nir.NIRGraph(
        {"in": nir.Input(np.array([4])), "if": nir.IF(np.ones(1), np.ones(1)), "out": nir.Output(np.array([4]))},
        [("in", "if"), ("if", "out")],
        type_check=False,
    )
    assert bench.from_nir(one, dt=1.0)(torch.full((1, 2, 4), 2.0)).sum() == 8
    one.nodes["if"] = nir.IF(np.ones(3), np.ones(3))
    with pytest.raises(bench.BenchError, match=r"^node 'if': parameters of shape \(3,\) for an input of shape \(4,\)$"):
        bench.from_nir(one, dt=1.0)(torch.ones(1, 2, 4))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"tau": np.zeros(2)}, "node 'lif': tau should be above 0 everywhere"),
        ({"r": np.full(2, np.inf)}, "node 'lif': its parameters give a gain that is not finite"),
        ({"v_threshold": np.full(2, np.nan)}, "node 'lif': its parameters give a v_threshold that is not finite"),
    ],
)
def test_numbers_that_are_none_are_refused_by_name(changes, message):
    node = nir.LIF(**{field: np.ones(2) for field in FIELDS[nir.LIF]} | changes)
    with pytest.raises(bench.BenchError) as caught:
        bench.from_nir(alone(node), dt=1e-4)
    assert str(caught.value) == message
