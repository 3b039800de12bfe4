"""This project's neurons against SpikingJelly's, in float64: spikes, membranes, gradients."""

import pytest
import torch
from support.crosscheck_peers import peer

from bench.neurons import PSN, make_factory

SHAPE = (8, 3, 40)
# Both sides are float64 of the same formula; what differs is the order of a handful of operations over 8 timesteps.
TOLERANCE = 1e-12
SURROGATES = ("rectangle", "atan", "sigmoid", "triangle")

HARD = {"reset": "hard"}
PAPER = {**HARD, "decay_input": True}
DEPLOYED = {**HARD, "v_reset": -0.06}
FORMS = [
    {"decay_input": True},
    {"detach_reset": True},
    HARD,
    PAPER,
    {**PAPER, "detach_reset": True},
    DEPLOYED,
    {**DEPLOYED, "decay_input": True},
]


def surrogate_of(name):
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


def pair(name, surrogate, tau, threshold, form):
    """Our neuron and SpikingJelly's node in the same form, both in float64.

    Its rules, as ours are named: reset = "soft" is v_reset = None, "hard" with v_reset is v_reset; its own defaults are
    hard, to 0, and decay_input. A soft reset there too pulls the leak to 0.
    """
    with peer("spikingjelly"):
        from spikingjelly.activation_based import neuron
    theirs = {
        "surrogate_function": surrogate_of(surrogate),
        "v_threshold": threshold,
        "step_mode": "m",
    }
    if name not in ("if", "clif"):
        theirs["decay_input"] = form.get("decay_input", False)
    if name != "clif":  # its only form is this one: soft reset, input not decayed, nothing detached
        theirs["v_reset"] = form.get("v_reset", 0.0) if form.get("reset") == "hard" else None
        theirs["detach_reset"] = form.get("detach_reset", False)
    if name != "if":
        theirs["init_tau" if name == "plif" else "tau"] = tau
    if "scale_reset" in form:
        theirs["scale_reset"] = form["scale_reset"]
    nodes = {
        "if": neuron.IFNode,
        "lif": neuron.LIFNode,
        "plif": neuron.ParametricLIFNode,
        "klif": neuron.KLIFNode,
        "clif": neuron.ComplementaryLIFNode,
    }
    timing = {} if name == "if" else {"tau": tau}
    ours = make_factory(name, surrogate=surrogate, threshold=threshold, **timing, **form)(1).double()
    node = nodes[name](**theirs).double()
    if name == "klif":  # away from 1, where f / k and f would be the same
        for module in (ours, node):
            torch.nn.init.constant_(module.k, 1.3)
    return ours, node


def run(module, x, cotangent):
    """Return spikes, the gradient of the input and those of the parameters by name."""
    x = x.clone().requires_grad_()
    spikes = module.train()(x)
    parameters = dict(module.named_parameters())
    gradient, *rest = torch.autograd.grad((spikes * cotangent).sum(), [x, *parameters.values()])
    return spikes.detach(), gradient, dict(zip(parameters, rest, strict=True))


def drive(*shape, seed=5):
    """Return an input around the threshold and a cotangent."""
    generator = torch.Generator().manual_seed(seed)
    x = 1.7 * torch.rand(shape, dtype=torch.float64, generator=generator) - 0.2
    return x, torch.randn(shape, dtype=torch.float64, generator=generator)


def assert_equal_runs(ours, theirs):
    spikes, gradient, parameters = ours
    assert torch.equal(spikes, theirs[0])
    assert 0.05 < spikes.mean() < 0.95
    scale = float(gradient.abs().max())
    assert scale > 0.1
    torch.testing.assert_close(gradient, theirs[1], rtol=0, atol=TOLERANCE * scale)
    assert set(parameters) == set(theirs[2])
    for name, mine in parameters.items():
        assert mine.abs().max() > 0.01
        # A parameter's gradient is a sum over all of the input, whose terms cancel.
        torch.testing.assert_close(mine, theirs[2][name], rtol=10 * TOLERANCE, atol=10 * TOLERANCE * scale)


@pytest.mark.parametrize("surrogate", SURROGATES)
@pytest.mark.parametrize(("tau", "threshold"), [(2.0, 1.0), (1.3, 0.7), (5.0, 1.5)])
@pytest.mark.parametrize("name", ["if", "lif", "plif", "klif", "clif"])
def test_neuron_equals_spikingjellys(name, tau, threshold, surrogate):
    ours, theirs = pair(name, surrogate, tau, threshold, {})
    x, cotangent = drive(*SHAPE)
    assert_equal_runs(run(ours, x, cotangent), run(theirs, x, cotangent))


@pytest.mark.parametrize("surrogate", SURROGATES)
@pytest.mark.parametrize("form", FORMS, ids=str)
@pytest.mark.parametrize("name", ["lif", "plif", "klif", "klif, scaled"])
def test_every_form_equals_spikingjellys(name, form, surrogate):
    """PAPER is the form of Fang et al. 2021 and of Jiang and Zhang 2023, DEPLOYED that of CLIF weights on a LIF."""
    if name == "klif, scaled":
        name, form = "klif", {**form, "scale_reset": True}
    ours, theirs = pair(name, surrogate, 2.0, 0.6 if form.get("decay_input") else 1.0, form)
    x, cotangent = drive(*SHAPE)
    assert_equal_runs(run(ours, x, cotangent), run(theirs, x, cotangent))


@pytest.mark.parametrize(
    ("name", "form"),
    [("if", {}), ("clif", {}), *((name, form) for name in ("lif", "plif", "klif") for form in [{}, *FORMS])],
    ids=str,
)
def test_membrane_equals_spikingjellys(name, form):
    """Step by step, so that states which would make the same spikes are told apart."""
    ours, theirs = pair(name, "rectangle", 2.0, 1.0, form)
    theirs.step_mode = "s"
    x, _ = drive(*SHAPE, seed=6)
    state = ours.initial_state(x[0])
    for current in x:
        _, state = ours.step(current, state)
        theirs(current)
        kept = [theirs.v, theirs.m] if name == "clif" else [theirs.v]
        for mine, other in zip(state, kept, strict=True):
            torch.testing.assert_close(mine, other, rtol=0, atol=TOLERANCE)


# Ours: theirs. Its conductance is [T] or [T, C], one for each timestep; ours is one for all.
GATED = {
    "alpha": "alpha",
    "beta": "beta",
    "gamma": "gamma",
    "decay": "tau",
    "threshold": "v_threshold",
    "leak": "linear_decay",
    "subtract": "v_subreset",
    "conductance": "conduct",
}


def gated_pair(per_channel, surrogate, timesteps, channels):
    """Our GLIF and SpikingJelly's GatedLIFNode with the same parameters, each off its first value."""
    with peer("spikingjelly"):
        from spikingjelly.activation_based import neuron
    ours = make_factory("glif", per_channel=per_channel, surrogate=surrogate)(channels).double()
    node = neuron.GatedLIFNode(
        timesteps, channels if per_channel else None, surrogate_function=surrogate_of(surrogate)
    ).double()
    generator = torch.Generator().manual_seed(8)
    mine, other = dict(ours.named_parameters()), dict(node.named_parameters())
    assert set(mine) == set(GATED) and set(other) == set(GATED.values())
    with torch.no_grad():
        for name, parameter in mine.items():
            if name not in ("alpha", "beta", "gamma"):  # its gates are drawn at random
                first = other[GATED[name]] if name != "conductance" else other["conduct"][0]
                torch.testing.assert_close(parameter, first)
            parameter += 0.5 * torch.randn(parameter.shape, generator=generator, dtype=torch.float64)
            other[GATED[name]].copy_(parameter.expand_as(other[GATED[name]]))
    return ours, node


@pytest.mark.parametrize("surrogate", SURROGATES)
@pytest.mark.parametrize("per_channel", [False, True])
def test_gated_neuron_equals_spikingjellys_with_equal_conductances(per_channel, surrogate):
    shape = (4, 5, 3, 4, 4)  # its first leak is theta / (2 T): that of ours at T = 4
    ours, theirs = gated_pair(per_channel, surrogate, shape[0], shape[2])
    x, cotangent = drive(*shape)
    their_spikes, their_gradient, by_name = run(theirs, x, cotangent)
    by_name["conduct"] = by_name["conduct"].sum(0)
    by_name = {mine: by_name[other] for mine, other in GATED.items()}
    assert_equal_runs(run(ours, x, cotangent), (their_spikes, their_gradient, by_name))


def test_a_conductance_for_each_timestep_is_spikingjellys_alone():
    ours, theirs = gated_pair(False, "rectangle", 4, 3)
    with torch.no_grad():
        theirs.conduct[2] += 2.0
    x, _ = drive(4, 5, 3, 4, 4)
    same = (ours(x) == theirs(x)).flatten(1).all(1).tolist()
    assert same[:2] == [True, True] and not same[2]


@pytest.mark.parametrize("surrogate", SURROGATES)
@pytest.mark.parametrize("k", [1, 2, 3, 5, 11])
@pytest.mark.parametrize("step_mode", ["s", "m"])
def test_sliding_parallel_neuron_equals_spikingjellys(step_mode, k, surrogate):
    """Its threshold is -bias. One step at a time it keeps the inputs, all at once it multiplies by a band of w."""
    with peer("spikingjelly"):
        from spikingjelly.activation_based import neuron
    ours = PSN(k=k, surrogate=surrogate).double()
    theirs = neuron.SlidingPSN(k, surrogate_function=surrogate_of(surrogate), step_mode=step_mode).double()
    assert torch.equal(ours.w, theirs.weight) and torch.equal(ours.threshold, -theirs.bias)
    with torch.no_grad():
        ours.w += 0.2 * torch.linspace(1, -1, k, dtype=torch.float64)
        ours.threshold += 0.1
        theirs.weight.copy_(ours.w)
        theirs.bias.copy_(-ours.threshold)
    x, cotangent = drive(*SHAPE)
    module = theirs if step_mode == "m" else _Stepped(theirs)
    spikes, gradient, by_name = run(module, x, cotangent)
    by_name = {name.removeprefix("node."): value for name, value in by_name.items()}
    by_name = {"w": by_name["weight"], "threshold": -by_name["bias"]}
    assert_equal_runs(run(ours, x, cotangent), (spikes, gradient, by_name))


class _Stepped(torch.nn.Module):
    """A node of one timestep, called T times."""

    def __init__(self, node):
        super().__init__()
        self.node = node

    def forward(self, x):
        return torch.stack([self.node(current) for current in x])
