"""The price of one neuron update, traced from `step`."""

import pytest
import torch
from torch import nn

from bench.errors import BenchError
from bench.measure.counting.neurons import Profile, trace_step
from bench.neurons.base import Neuron, make_factory
from bench.plugins.registry import create, plugins

# At tau = 2 a leak is a shift; theta s and u (1 - s) select, and 1 - s is a NOT.
LIF = {"shift": 1.0, "select": 1.0, "add": 1.0, "sub": 1.0, "compare": 1.0}
HARD_LIF = {"shift": 1.0, "logic": 1.0, "select": 1.0, "add": 1.0, "compare": 1.0}
GLIF = Profile({"shift": 1.0, "mul": 2.0, "select": 1.0, "add": 2.0, "sub": 2.0, "compare": 1.0}, 1, binary=True)
HARD = {"reset": "hard"}


def spiking(ops, state_words):
    return Profile(ops, state_words, binary=True)


# Every option that changes the work of an update: a hard reset to 0 is u (1 - s), and another v_reset is one more
# constant in the charge and one in the reset.
PROFILES = [
    ("relu", {}, Profile({"compare": 1.0}, 0)),
    ("if", {}, spiking({"select": 1.0, "add": 1.0, "sub": 1.0, "compare": 1.0}, 1)),
    *(
        (name, options, spiking(ops, 1))
        for name in ("lif", "plif")
        for options, ops in [
            ({}, LIF),
            ({"detach_reset": True}, LIF),
            ({"decay_input": True}, {**LIF, "shift": 2.0}),
            (HARD, HARD_LIF),
            ({**HARD, "decay_input": True}, {**HARD_LIF, "shift": 2.0}),
            ({**HARD, "v_reset": -0.06}, {**HARD_LIF, "select": 2.0, "add": 3.0}),
            ({**HARD, "v_reset": -0.06, "decay_input": True}, {**HARD_LIF, "shift": 2.0, "select": 2.0, "add": 3.0}),
        ]
    ),
    # One product for a level; that of the level with its step folds into the weights behind.
    ("quantised-relu", {}, Profile({"mul": 1.0, "compare": 3.0}, 0)),
    ("lif", {"tau": 3.0}, spiking({"mul": 1.0, "select": 1.0, "add": 1.0, "sub": 1.0, "compare": 1.0}, 1)),
    ("clif", {}, spiking({**LIF, "shift": 2.0, "mul": 1.0, "add": 3.0, "sigmoid": 2.0}, 2)),
    (
        "clif",
        {"tau": 3.0},
        spiking({"mul": 3.0, "select": 1.0, "add": 3.0, "sub": 1.0, "compare": 1.0, "sigmoid": 2.0}, 2),
    ),
    ("clif-detached", {}, spiking({**LIF, "shift": 2.0, "mul": 1.0, "add": 3.0, "sigmoid": 2.0}, 2)),
    (
        "lif-clif-paths",  # m and what is taken off and put back are computed too
        {},
        spiking({**LIF, "shift": 2.0, "mul": 1.0, "select": 2.0, "add": 2.0, "sub": 3.0, "sigmoid": 2.0}, 2),
    ),
    ("klif", {}, spiking({**LIF, "shift": 2.0, "compare": 2.0}, 1)),
    ("klif", {"scale_reset": True}, spiking({**LIF, "shift": 3.0, "compare": 2.0}, 1)),
    ("klif", {**HARD, "decay_input": True}, spiking({**HARD_LIF, "shift": 3.0, "compare": 2.0}, 1)),
    ("alif", {}, spiking({**LIF, "mul": 2.0, "select": 2.0, "add": 3.0}, 2)),
    ("alif", {"decay_input": True}, spiking({**LIF, "shift": 2.0, "mul": 2.0, "select": 2.0, "add": 3.0}, 2)),
    ("glif", {}, GLIF),
    ("glif", {"per_channel": True}, GLIF),
    ("psn", {"k": 1}, spiking({"shift": 1.0, "compare": 1.0}, 0)),  # weights begin as powers of two
    ("psn", {}, spiking({"shift": 2.0, "add": 1.0, "compare": 1.0}, 1)),
    ("psn", {"k": 4}, spiking({"shift": 4.0, "add": 3.0, "compare": 1.0}, 3)),
]


@pytest.mark.parametrize(("name", "options", "profile"), PROFILES, ids=lambda value: str(value).replace(" ", ""))
@pytest.mark.parametrize("shape", [(1, 7), (2, 3, 4, 4)])
def test_profiles_of_the_built_in_neurons(name, options, profile, shape):
    assert trace_step(make_factory(name, **options)(shape[1]), torch.randn(shape)) == profile


def test_every_built_in_neuron_has_a_pinned_profile():
    assert {name for name, _, _ in PROFILES} == set(plugins("neuron"))


@pytest.mark.parametrize("surrogate", ["rectangle", "atan", "sigmoid", "triangle"])
def test_the_surrogate_costs_nothing_at_inference(surrogate):
    assert trace_step(create("neuron", "lif", surrogate=surrogate), torch.randn(1, 4)).ops_per_update == LIF


class Custom(Neuron):
    name = "custom"

    def __init__(self, update):
        super().__init__()
        self.update = update
        self.gain = nn.Parameter(torch.ones(4))

    def initial_state(self, x):
        return (torch.zeros_like(x),)

    def step(self, x, state):
        return self.update(self, x, state[0])


def ops(update):
    return trace_step(Custom(update), torch.randn(2, 4)).ops_per_update


def test_operations_on_parameters_alone_and_casts_are_free():
    assert ops(lambda n, x, v: (x * torch.sigmoid(2 * n.gain) + v.double().float(), (v,))) == {"mul": 1, "add": 1}


@pytest.mark.parametrize("factor", [2.0, -0.25, 1.0, torch.tensor([0.5, 4.0, -1.0, 2.0])])
def test_a_power_of_two_shifts(factor):
    assert ops(lambda n, x, v: (x * factor + v / factor, (v,))) == {"shift": 2, "add": 1}


@pytest.mark.parametrize("factor", [3.0, 0.3, 0.0, torch.tensor([0.5, 4.0, -1.0, 3.0])])
def test_another_constant_multiplies(factor):
    assert ops(lambda n, x, v: (x * factor, (v,))) == {"mul": 1}


def test_a_spike_selects_and_of_spikes_there_is_logic_of_a_bit():
    assert ops(lambda n, x, v: (x * n.fire(v), (v,))) == {"select": 1, "compare": 1}
    assert ops(lambda n, x, v: (n.fire(x) * n.fire(v), (v,))) == {"logic": 1, "compare": 2}
    assert ops(lambda n, x, v: (torch.maximum(n.fire(x), n.fire(v)), (v,))) == {"logic": 1, "compare": 2}
    assert ops(lambda n, x, v: ((x > 0) & (v > 0), (v,))) == {"logic": 1, "compare": 2}
    # a sum of two spikes is no spike, nor is one that was scaled
    assert ops(lambda n, x, v: (x * (n.fire(x) + n.fire(v)), (v,))) == {"mul": 1, "add": 1, "compare": 2}
    assert ops(lambda n, x, v: (x * (3.0 * n.fire(v)), (v,))) == {"mul": 1, "select": 1, "compare": 1}


@pytest.mark.parametrize(
    ("update", "expected"),
    [
        (lambda n, x, v: torch.addcmul(v, x, n.fire(x)), {"select": 1, "add": 1, "compare": 1}),
        (lambda n, x, v: torch.addcmul(v, n.fire(v), n.fire(x)), {"logic": 1, "add": 1, "compare": 2}),
        (lambda n, x, v: torch.addcmul(v, x, n.gain, value=2.0), {"mul": 1, "shift": 1, "add": 1}),
        (lambda n, x, v: torch.addcdiv(v, x, n.gain), {"mul": 1, "add": 1}),
        (lambda n, x, v: torch.addcdiv(v, x, v), {"div": 1, "add": 1}),
        (lambda n, x, v: torch.lerp(v, x, n.fire(x)), {"sub": 1, "select": 1, "add": 1, "compare": 1}),
        (lambda n, x, v: torch.lerp(v, x, 0.5), {"sub": 1, "shift": 1, "add": 1}),
        (lambda n, x, v: torch.lerp(v, x, n.gain * 0.3), {"sub": 1, "mul": 1, "add": 1}),
        (lambda n, x, v: torch.lerp(v, x, x), {"sub": 1, "mul": 1, "add": 1}),
        (lambda n, x, v: torch.rsub(x, v, alpha=0.3), {"mul": 1, "sub": 1}),
        (lambda n, x, v: (x > 0) + (v > 0), {"logic": 1, "compare": 2}),
        (lambda n, x, v: torch.rsub(n.fire(x), 1), {"logic": 1, "compare": 1}),
        (lambda n, x, v: torch.rsub(n.fire(x), 1, 2), {"select": 1, "sub": 1, "compare": 1}),
        (lambda n, x, v: torch.add(v, n.fire(x), alpha=0.7), {"select": 1, "add": 1, "compare": 1}),
        (lambda n, x, v: torch.sub(v, n.fire(x), alpha=0.7), {"select": 1, "sub": 1, "compare": 1}),
        (lambda n, x, v: torch.add(n.fire(x), v, alpha=0.7), {"mul": 1, "add": 1, "compare": 1}),
        (lambda n, x, v: n.fire(x) / 3.0, {"select": 1, "compare": 1}),
        (lambda n, x, v: n.fire(x) / v, {"div": 1, "compare": 1}),
        (lambda n, x, v: ((x > 0) + 0.5) * v, {"compare": 1, "add": 1, "mul": 1}),
    ],
)
def test_fused_forms_select_where_spikes_are_factors(update, expected):
    assert ops(lambda n, x, v: (update(n, x, v), (v,))) == expected


def test_where_a_neuron_puts_out_more_than_spikes_it_is_not_binary():
    for update, binary in [
        (lambda n, x, v: (n.fire(x), (v,)), True),
        (lambda n, x, v: (2.0 * n.fire(x), (v,)), False),
        (lambda n, x, v: (torch.sign(x), (v,)), False),
    ]:
        assert trace_step(Custom(update), torch.randn(2, 4)).binary is binary


def test_division_by_a_constant_is_a_multiply_and_by_data_is_not():
    assert ops(lambda n, x, v: (x / 3.0 + v / (n.gain + 2.0), (v,))) == {"mul": 2, "add": 1}
    assert ops(lambda n, x, v: (x / v, (v,))) == {"div": 1}


def test_a_threshold_difference_folds_only_where_nothing_else_reads_it():
    assert ops(lambda n, x, v: (n.fire(x - v), (v,))) == {"compare": 1}
    assert ops(lambda n, x, v: (n.fire(x - 1.0), (x - 1.0,))) == {"compare": 1, "sub": 1}

    def kept(n, x, v):
        distance = x - 1.0
        return n.fire(distance), (distance,)

    assert ops(kept) == {"compare": 1, "sub": 1}
    assert ops(lambda n, x, v: (n.fire(x + v), (v,))) == {"add": 1, "compare": 1}


def test_in_place_and_fused_forms_cost_what_their_parts_cost():
    assert ops(lambda n, x, v: (x.mul(0.3).add_(v), (v,))) == {"mul": 1, "add": 1}
    assert ops(lambda n, x, v: (torch.add(x, v, alpha=0.3), (v,))) == {"mul": 1, "add": 1}
    assert ops(lambda n, x, v: (torch.add(x, v, alpha=0.5), (v,))) == {"shift": 1, "add": 1}
    assert ops(lambda n, x, v: (torch.addcmul(x, v, v), (v,))) == {"mul": 1, "add": 1}
    assert ops(lambda n, x, v: (x**2, (v,))) == {"mul": 1}
    assert ops(lambda n, x, v: (torch.where(x > 1.0, v, x), (v,))) == {"compare": 1, "select": 1}


def test_an_operation_of_unknown_cost_is_named():
    with pytest.raises(BenchError, match=r"neuron 'custom': the cost of 'aten\.erfinv'"):
        ops(lambda n, x, v: (torch.erfinv(x), (v,)))


def test_branching_on_the_data_is_refused():
    with pytest.raises(BenchError, match="reads values into Python"):
        ops(lambda n, x, v: (x if x.max() > 0 else v, (v,)))
