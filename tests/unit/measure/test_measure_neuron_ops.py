"""The price of one neuron update, traced from `step`."""

import pytest
import torch
from torch import nn

from bench.errors import BenchError
from bench.measure.counting.neurons import Profile, trace_step
from bench.neurons.base import Neuron, make_factory
from bench.plugins.registry import create, plugins

LIF = {"mul": 2.0, "add": 1.0, "sub": 1.0, "compare": 1.0}
GLIF = Profile({"mul": 4.0, "add": 2.0, "sub": 2.0, "compare": 1.0}, 1)
HARD = {"reset": "hard"}
# Every option that changes the work of an update: a hard reset to 0 is u - u s, and another v_reset is one more
# constant in the charge and one in the reset.
PROFILES = [
    ("relu", {}, Profile({"compare": 1.0}, 0)),
    ("if", {}, Profile({"mul": 1.0, "add": 1.0, "sub": 1.0, "compare": 1.0}, 1)),
    *(
        (name, options, Profile({**LIF, **more}, 1))
        for name in ("lif", "plif")
        for options, more in [
            ({}, {}),
            ({"detach_reset": True}, {}),
            ({"decay_input": True}, {"mul": 3.0}),
            (HARD, {}),
            ({**HARD, "decay_input": True}, {"mul": 3.0}),
            ({**HARD, "v_reset": -0.06}, {"mul": 3.0, "add": 3.0}),
            ({**HARD, "v_reset": -0.06, "decay_input": True}, {"mul": 4.0, "add": 3.0}),
        ]
    ),
    ("clif", {}, Profile({"mul": 4.0, "add": 3.0, "sub": 1.0, "compare": 1.0, "sigmoid": 2.0}, 2)),
    ("klif", {}, Profile({**LIF, "mul": 3.0, "compare": 2.0}, 1)),
    ("klif", {"scale_reset": True}, Profile({**LIF, "mul": 4.0, "compare": 2.0}, 1)),
    ("klif", {**HARD, "decay_input": True}, Profile({**LIF, "mul": 4.0, "compare": 2.0}, 1)),
    ("alif", {}, Profile({"mul": 5.0, "add": 3.0, "sub": 1.0, "compare": 1.0}, 2)),
    ("alif", {"decay_input": True}, Profile({"mul": 6.0, "add": 3.0, "sub": 1.0, "compare": 1.0}, 2)),
    ("glif", {}, GLIF),
    ("glif", {"per_channel": True}, GLIF),
    ("psn", {"k": 1}, Profile({"mul": 1.0, "compare": 1.0}, 0)),
    ("psn", {}, Profile({"mul": 2.0, "add": 1.0, "compare": 1.0}, 1)),
    ("psn", {"k": 4}, Profile({"mul": 4.0, "add": 3.0, "compare": 1.0}, 3)),
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


def test_division_by_a_constant_is_a_multiply_and_by_data_is_not():
    assert ops(lambda n, x, v: (x / 2.0 + v / n.gain, (v,))) == {"mul": 2, "add": 1}
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
    assert ops(lambda n, x, v: (x.mul(0.5).add_(v), (v,))) == {"mul": 1, "add": 1}
    assert ops(lambda n, x, v: (torch.add(x, v, alpha=0.5), (v,))) == {"mul": 1, "add": 1}
    assert ops(lambda n, x, v: (torch.addcmul(x, v, v), (v,))) == {"mul": 1, "add": 1}
    assert ops(lambda n, x, v: (x**2, (v,))) == {"mul": 1}
    assert ops(lambda n, x, v: (torch.where(x > 1.0, v, x), (v,))) == {"compare": 1, "select": 1}


def test_an_operation_of_unknown_cost_is_named():
    with pytest.raises(BenchError, match=r"neuron 'custom': the cost of 'aten\.erfinv'"):
        ops(lambda n, x, v: (torch.erfinv(x), (v,)))


def test_branching_on_the_data_is_refused():
    with pytest.raises(BenchError, match="reads values into Python"):
        ops(lambda n, x, v: (x if x.max() > 0 else v, (v,)))
