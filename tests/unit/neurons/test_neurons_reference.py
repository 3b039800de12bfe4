"""Every built-in neuron against its paper's equations in plain Python: spikes, membranes, gradients.

The references share no code with the package and none with torch: scalars one by one, derivatives carried forward.
"""

import math
import struct
from dataclasses import dataclass

import pytest
import torch

from bench.errors import UnknownNameError
from bench.neurons import ALIF, GLIF, KLIF, LIF, PLIF, PSN, make_factory
from bench.plugins.registry import plugins


class Number:
    """A scalar and its derivatives by everything that is differentiated by."""

    def __init__(self, value, by):
        self.value, self.by = value, by

    def map(self, value, slope):
        return Number(value, tuple(slope * d for d in self.by))

    def __add__(self, other):
        if not isinstance(other, Number):
            return Number(self.value + other, self.by)
        return Number(self.value + other.value, tuple(a + b for a, b in zip(self.by, other.by, strict=True)))

    def __mul__(self, other):
        if not isinstance(other, Number):
            return self.map(self.value * other, other)
        mixed = zip(self.by, other.by, strict=True)
        return Number(self.value * other.value, tuple(a * other.value + self.value * b for a, b in mixed))

    def __sub__(self, other):
        return self + other * -1

    def __rsub__(self, other):
        return self * -1 + other

    def __truediv__(self, other):
        return self * (other.map(1 / other.value, -1 / other.value**2) if isinstance(other, Number) else 1 / other)

    __radd__, __rmul__ = __add__, __mul__

    def constant(self):
        return self.map(self.value, 0)


def logistic(x):
    squashed = 1 / (1 + math.exp(-x.value))
    return x.map(squashed, squashed * (1 - squashed))


def rectified(x):
    return x.map(max(0.0, x.value), float(x.value > 0))


SLOPES = {
    "rectangle": lambda d: float(abs(d) <= 0.5),
    "atan": lambda d: 1 / (1 + (math.pi * d) ** 2),
    "sigmoid": lambda d: 1 / math.cosh(2 * d) ** 2,  # 4 s(4d) (1 - s(4d))
    "triangle": lambda d: max(0.0, 1 - abs(d)),
}


def heaviside(distance, o):
    return distance.map(float(distance.value >= 0), SLOPES[o["surrogate"]](distance.value))


def relu(x, p, o):
    return [rectified(current) for current in x], []


def quantised_relu(x, p, o):
    """Esser et al. 2020, equations 1 to 3 for activations; the step is its first value times exp of what is learned."""
    high = 2 ** o["bits"] - 1
    [first] = struct.unpack("f", struct.pack("f", 2 / math.sqrt(2 * math.pi) / math.sqrt(high)))
    ratio = p["step_size.log_ratio"]
    step, scale = first * math.exp(ratio.value), 1 / math.sqrt(C * high)
    out = []
    for current in x:
        v = current.value / step
        inside, level = 0 < v < high, round(min(high, max(0.0, v)))
        of_step = level - v if inside else level
        by_ratio = ratio.map(0.0, of_step * scale * step)  # ds / d ratio = s
        out.append(current.map(level * step, float(inside)) + by_ratio)
    return out, []


def integrate_and_fire(x, p, o):
    """Rueckauer et al. 2017: the membrane is all that came in less theta for each spike."""
    spikes, kept, total, fired = [], [], 0 * x[0], 0 * x[0]
    for current in x:
        total = total + current
        spikes.append(heaviside(total - fired * o["threshold"] - o["threshold"], o))
        fired = fired + spikes[-1]
        kept.append(total - fired * o["threshold"])
    return spikes, kept


def leaky(x, o, leak, drive=None, k=None):
    """Fang et al. 2021, equations of charge, fire and reset, with each of the forms that an option names."""
    rest = o["v_reset"]
    v, spikes, kept = 0 * x[0] + rest, [], []
    for current in x:
        h = v + leak * (current - (v - rest)) if o["decay_input"] else v - leak * (v - rest) + current
        if k is not None:  # Jiang and Zhang 2023: F = ReLU(k H) takes the place of H
            h = rectified(k * h)
        spikes.append(heaviside(h - o["threshold"], o))
        s = spikes[-1].constant() if o["detach_reset"] else spikes[-1]
        scale = k if o.get("scale_reset") else 1
        if o["reset"] == "hard":
            v = (1 - s) * (h / scale) + s * rest
        else:
            v = (h - s * o["threshold"]) / scale
        kept.append(v)
    return spikes, kept


def lif(x, p, o):
    return leaky(x, o, 1 / o["tau"])


def plif(x, p, o):
    return leaky(x, o, logistic(p["w"]))


def klif(x, p, o):
    return leaky(x, o, 1 / o["tau"], k=p["k"])


def clif(x, p, o):
    """Huang et al. 2024, algorithm 1."""
    v, m, spikes, kept = 0 * x[0], 0 * x[0], [], []
    for current in x:
        u = v * (1 - 1 / o["tau"]) + current
        spikes.append(heaviside(u - o["threshold"], o))
        m = m * logistic(u / o["tau"]) + spikes[-1]
        v = u - spikes[-1] * (logistic(m) + o["threshold"])
        kept.append(v)
    return spikes, kept


def clif_detached(x, p, o):
    """The same, its m a constant wherever it is used: nothing is differentiated by what made it."""
    v, m, spikes, kept = 0 * x[0], 0.0, [], []
    for current in x:
        u = v * (1 - 1 / o["tau"]) + current
        spikes.append(heaviside(u - o["threshold"], o))
        m = m / (1 + math.exp(-u.value / o["tau"])) + spikes[-1].value
        v = u - spikes[-1] * (1 / (1 + math.exp(-m)) + o["threshold"])
        kept.append(v)
    return spikes, kept


def lif_clif_paths(x, p, o):
    """LIF's values, and of CLIF's equations the derivatives."""
    v, m, spikes, kept = 0 * x[0], 0 * x[0], [], []
    for current in x:
        u = v * (1 - 1 / o["tau"]) + current
        spikes.append(heaviside(u - o["threshold"], o))
        m = m * logistic(u / o["tau"]) + spikes[-1]
        slopes = (u - spikes[-1] * (logistic(m) + o["threshold"])).by
        v = Number(u.value - o["threshold"] * spikes[-1].value, slopes)
        kept.append(v)
    return spikes, kept


def alif(x, p, o):
    """Bellec et al. 2018, the threshold as the sum over all spikes that were, each faded by its age."""
    v, spikes, kept = 0 * x[0], [], []
    for t, current in enumerate(x):
        faded = [s * math.exp(-(t - 1 - age) / o["tau_adaptation"]) for age, s in enumerate(spikes)]
        a = sum(faded, 0 * x[0]) * (1 - math.exp(-1 / o["tau_adaptation"]))
        threshold = o["threshold"] + o["beta"] * a
        u = v + (current - v) / o["tau"] if o["decay_input"] else v - v / o["tau"] + current
        spikes.append(heaviside(u - threshold, o))
        v = u - threshold * (spikes[-1].constant() if o["detach_reset"] else spikes[-1])
        kept.append(v)
    return spikes, kept


def glif(x, p, o):
    """Yao et al. 2022, unified equation: leak and reset are of the last timestep's membrane and spike."""
    alpha, beta, gamma, tau, theta, leak, g, r = (logistic(p[name]) for name in GLIF_PARAMETERS)
    u, s, spikes, kept = 0 * x[0], 0 * x[0], [], []
    for current in x:
        exponential = (1 - alpha * (1 - tau)) * u * (1 - gamma * s)
        u = exponential - (1 - alpha) * leak + current * (1 - beta * (1 - g)) - (1 - gamma) * r * s
        s = heaviside(u - theta, o)
        spikes.append(s)
        kept.append((1 - alpha * (1 - tau)) * u * (1 - gamma * s) - (1 - gamma) * r * s)  # what the next u builds on
    return spikes, kept


def psn(x, p, o):
    """Fang et al. 2023, the sliding PSN: no state, each timestep from the inputs themselves."""
    spikes, k = [], o["k"]
    for t in range(len(x)):
        seen = [(i, t - k + 1 + i) for i in range(k)]
        h = sum((p["w"][i] * x[at] for i, at in seen if at >= 0), 0 * x[0])
        spikes.append(heaviside(h - p["threshold"], o))
    return spikes, [x[t - k + 2] if t - k + 2 >= 0 else 0 * x[0] for t in range(len(x))] if k > 1 else []


GLIF_PARAMETERS = ("alpha", "beta", "gamma", "decay", "threshold", "leak", "conductance", "subtract")
REFERENCES = {
    "relu": relu,
    "quantised-relu": quantised_relu,
    "if": integrate_and_fire,
    "lif": lif,
    "plif": plif,
    "klif": klif,
    "clif": clif,
    "clif-detached": clif_detached,
    "lif-clif-paths": lif_clif_paths,
    "alif": alif,
    "glif": glif,
    "psn": psn,
}

HARD = {"reset": "hard"}
DEPLOYED = {**HARD, "v_reset": -0.06}  # CLIF weights on a hard reset
FORMS = [
    {},
    {"threshold": 0.7, "surrogate": "triangle"},
    HARD,
    DEPLOYED,
    {"decay_input": True, "threshold": 0.4},
    {**DEPLOYED, "decay_input": True, "threshold": 0.4, "surrogate": "atan"},
    {"detach_reset": True, "surrogate": "sigmoid"},
    {**DEPLOYED, "detach_reset": True},
]
CASES = [
    ("relu", {}),
    *(("quantised-relu", {"bits": bits}) for bits in (1, 2, 4)),
    ("if", {}),
    ("if", {"threshold": 0.6, "surrogate": "atan"}),
    *(("lif", {"tau": 1.6, **form}) for form in FORMS),
    *(("plif", {"tau": 2.5, **form}) for form in FORMS),
    *(("klif", {"tau": 1.6, **form}) for form in FORMS),
    *(("klif", {"tau": 1.6, "scale_reset": True, **form}) for form in FORMS),
    *(("clif", {"tau": 3.0, "surrogate": surrogate}) for surrogate in SLOPES),
    *(("clif-detached", {"tau": 3.0, "surrogate": surrogate}) for surrogate in SLOPES),
    *(("lif-clif-paths", {"tau": 3.0, "surrogate": surrogate}) for surrogate in SLOPES),
    *(("alif", {"tau_adaptation": 3.0, "surrogate": surrogate}) for surrogate in SLOPES),
    ("alif", {"beta": 0.5, "decay_input": True, "threshold": 0.4}),
    ("alif", {"detach_reset": True}),
    *(("glif", {"surrogate": surrogate}) for surrogate in SLOPES),
    ("glif", {"per_channel": True, "alpha": 0.7, "beta": 0.2, "gamma": 0.4, "leak": 0.1}),
    *(("psn", {"k": k, "surrogate": surrogate}) for k, surrogate in zip((1, 2, 3, 5), SLOPES, strict=True)),
]

T, N, C = 9, 4, 3


@dataclass(frozen=True)
class Found:
    spikes: torch.Tensor  # [T, N, C]
    kept: torch.Tensor  # [T, N, C], or [0] where nothing is
    by_input: torch.Tensor  # [T, N, C]
    by_parameter: dict[str, torch.Tensor]


def made(name, options):
    """Return the neuron with its parameters moved off their first values, each by another amount."""
    neuron = make_factory(name, **options)(C).double()
    generator = torch.Generator().manual_seed(11)
    with torch.no_grad():
        for parameter in neuron.parameters():
            parameter += 0.2 * torch.randn(parameter.shape, generator=generator, dtype=torch.float64)
    return neuron


def expected(name, options, neuron, x, cotangent):
    """Run the reference neuron by neuron."""
    resolved = plugins("neuron")[name].resolve(options)
    spikes, by_input = torch.zeros_like(x), torch.zeros_like(x)
    kept = torch.zeros(0)
    by_parameter = {key: torch.zeros_like(value) for key, value in neuron.named_parameters()}
    for n in range(N):
        for c in range(C):
            # The numbers that this neuron depends on, and where the derivative by each of them goes.
            values = [*x[:, n, c].tolist()]
            targets = [(by_input, (t, n, c)) for t in range(T)]
            places = {}
            for key, parameter in neuron.named_parameters():
                of_channel = [(c,)] if resolved.get("per_channel") else None
                indices = of_channel or ([()] if parameter.dim() == 0 else [(i,) for i in range(len(parameter))])
                places[key] = [len(values) + i for i in range(len(indices))]
                values += [parameter[index].item() for index in indices]
                targets += [(by_parameter[key], index) for index in indices]
            numbers = [
                Number(value, tuple(float(i == j) for j in range(len(values)))) for i, value in enumerate(values)
            ]
            learned = {
                key: [numbers[i] for i in at] if key == "w" and name == "psn" else numbers[at[0]]
                for key, at in places.items()
            }
            fired, left = REFERENCES[name](numbers[:T], learned, resolved)
            spikes[:, n, c] = torch.tensor([s.value for s in fired], dtype=torch.float64)
            if left:
                kept = kept if len(kept) else torch.zeros_like(x)
                kept[:, n, c] = torch.tensor([v.value for v in left], dtype=torch.float64)
            for i, (tensor, index) in enumerate(targets):
                tensor[index] += sum(s.by[i] * w for s, w in zip(fired, cotangent[:, n, c].tolist(), strict=True))
    return Found(spikes, kept, by_input, by_parameter)


def found(neuron, x, cotangent):
    x = x.clone().requires_grad_()
    spikes = neuron(x)
    spikes.backward(cotangent)
    state, kept = neuron.initial_state(x[0]), []
    for current in x:
        _, state = neuron.step(current, state)
        kept += [part.detach() for part in state[:1]]
    by_parameter = {name: parameter.grad for name, parameter in neuron.named_parameters()}
    return Found(spikes.detach(), torch.stack(kept) if kept else torch.zeros(0), x.grad, by_parameter)


@pytest.mark.parametrize(("name", "options"), CASES, ids=lambda value: str(value).replace(" ", ""))
def test_neuron_equals_its_papers_equations(name, options):
    generator = torch.Generator().manual_seed(21)
    x = 2 * torch.rand((T, N, C), generator=generator, dtype=torch.float64) - 0.4
    cotangent = torch.randn((T, N, C), generator=generator, dtype=torch.float64)
    neuron = made(name, options)
    ours, theirs = found(neuron, x, cotangent), expected(name, options, neuron, x, cotangent)
    if neuron.spiking:
        assert torch.equal(ours.spikes, theirs.spikes)
        assert 0.1 < ours.spikes.mean() < 0.9
    else:
        assert (ours.spikes - theirs.spikes).abs().max() < 1e-14  # torch's exp and Python's
    assert ours.kept.shape == theirs.kept.shape
    torch.testing.assert_close(ours.kept, theirs.kept.to(ours.kept), rtol=0, atol=1e-12)
    # Float64 on both sides: what differs is the order of some tens of operations.
    torch.testing.assert_close(ours.by_input, theirs.by_input, rtol=0, atol=1e-12 * float(ours.by_input.abs().max()))
    assert ours.by_input.abs().max() > 0.1
    for key, gradient in theirs.by_parameter.items():
        assert gradient.abs().min() > 0
        torch.testing.assert_close(ours.by_parameter[key], gradient, rtol=1e-10, atol=1e-12)


def test_the_ablations_of_clif_have_the_spikes_of_one_neuron_and_other_gradients():
    generator = torch.Generator().manual_seed(3)
    x = 2 * torch.rand((T, N, C), generator=generator, dtype=torch.float64) - 0.4
    cotangent = torch.randn((T, N, C), generator=generator, dtype=torch.float64)
    names = ("lif", "clif", "clif-detached", "lif-clif-paths")
    of = {name: found(made(name, {"tau": 3.0}), x, cotangent) for name in names}
    for same, ablated in (("clif", "clif-detached"), ("lif", "lif-clif-paths")):
        assert torch.equal(of[same].spikes, of[ablated].spikes) and torch.equal(of[same].kept, of[ablated].kept)
        assert (of[same].by_input - of[ablated].by_input).abs().max() > 0.05
    assert not torch.equal(of["clif"].spikes, of["lif"].spikes)


def test_every_built_in_neuron_has_a_reference():
    assert set(REFERENCES) == set(plugins("neuron")) == {name for name, _ in CASES}


# --- by hand: tau = 2, theta = 1, inputs 1.5, 0.2, 0.6, 2.4 --------------------------------------------------------

INPUTS = (1.5, 0.2, 0.6, 2.4)
BY_HAND = [
    # soft: u = 1.5, 0.45, 0.825, 2.8125
    ({}, [1, 0, 0, 1], [0.5, 0.45, 0.825, 1.8125]),
    # hard, to 0: u = 1.5, 0.2, 0.7, 2.75
    ({"reset": "hard"}, [1, 0, 0, 1], [0, 0.2, 0.7, 0]),
    # hard, to -0.2, which is where v begins and the leak pulls: u = -0.2 + 1.5, -0.2 + 0.2, 0 - 0.1 + 0.6, 0.15 + 2.4
    ({"reset": "hard", "v_reset": -0.2}, [1, 0, 0, 1], [-0.2, 0, 0.5, -0.2]),
    # soft, input halved: u = 0.75, 0.475, 0.5375, 1.46875
    ({"decay_input": True}, [0, 0, 0, 1], [0.75, 0.475, 0.5375, 0.46875]),
    # hard to -0.2, input halved: u = -0.2 + (1.5 + 0)/2, 0.55 + (0.2 - 0.75)/2, 0.275 + (0.6 - 0.475)/2, ...
    ({"reset": "hard", "v_reset": -0.2, "decay_input": True}, [0, 0, 0, 1], [0.55, 0.275, 0.3375, -0.2]),
]


@pytest.mark.parametrize("make", [LIF, PLIF])
@pytest.mark.parametrize(("options", "spikes", "membranes"), BY_HAND)
def test_resets_and_decays_by_hand(make, options, spikes, membranes):
    neuron = make(tau=2.0, **options).double()
    x = torch.tensor(INPUTS, dtype=torch.float64)[:, None]
    result = found(neuron, x, torch.ones_like(x))
    assert result.spikes.flatten().tolist() == spikes
    assert result.kept.flatten().tolist() == pytest.approx(membranes, abs=1e-15)


@pytest.mark.parametrize(
    ("options", "gradient"),
    [
        # Two timesteps, u_1 = 1.2, u_2 = a v_1 + x_2, all within 1/2 of theta, so that each surrogate is 1; a = 1/2.
        # ds_2/dx_1 = a dv_1/du_1; soft: dv/du = 1 - theta = 0; hard to 0: 1 - s - u = -1.2; detached: 1 and 1 - s = 0.
        ({}, [1.0, 1.0]),
        ({"reset": "hard"}, [1 - 0.6, 1.0]),
        ({"detach_reset": True}, [1.5, 1.0]),
        ({"reset": "hard", "detach_reset": True}, [1.0, 1.0]),
        ({"reset": "hard", "v_reset": -0.1}, [1 - 0.65, 1.0]),  # dv/du = 1 - s - u + v_reset; u_1 = -0.1 + 1.3
    ],
)
def test_gradient_through_the_reset_by_hand(options, gradient):
    first = 1.2 - options.get("v_reset", 0.0)
    x = torch.tensor([first, 0.9], dtype=torch.float64)[:, None].requires_grad_()
    LIF(tau=2.0, **options)(x).sum().backward()
    assert x.grad.flatten().tolist() == pytest.approx(gradient, abs=1e-15)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_default_is_bit_for_bit_the_plain_soft_reset(dtype):
    x = (1.5 * torch.rand((8, 3, 5), generator=torch.Generator().manual_seed(2), dtype=torch.float64)).to(dtype)
    v, spikes = torch.zeros_like(x[0]), []
    for current in x:
        u = (1 - 1 / 3.0) * v + current
        spikes.append((u - 1.0 >= 0).to(dtype))
        v = u - 1.0 * spikes[-1]
    neuron = LIF(tau=3.0)
    state = neuron.initial_state(x[0])
    for current in x:
        _, state = neuron.step(current, state)
    assert torch.equal(neuron(x), torch.stack(spikes)) and torch.equal(state[0], v)


@pytest.mark.parametrize("make", [LIF, PLIF, KLIF])
def test_v_reset_belongs_to_the_hard_reset(make):
    with pytest.raises(ValueError, match=r"v_reset is for reset = 'hard' alone; a soft reset needs 0, not -0\.06"):
        make(v_reset=-0.06)


def test_adaptive_threshold_by_hand():
    # tau = 2, beta (1 - ρ) = 0.5 and ρ = 1/2: u = 1.2; 0.1 + 1.3 = 1.4 < 1.5; 0.7 + 1 = 1.7 >= 1.25.
    # The paper's reset does not leak with v: there the second u would be 0.6 + 1.3 - 1 = 0.9.
    neuron = ALIF(tau=2.0, beta=1.0, tau_adaptation=1 / math.log(2))
    x = torch.tensor([1.2, 1.3, 1.0], dtype=torch.float64)[:, None]
    result = found(neuron, x, torch.ones_like(x))
    assert result.spikes.flatten().tolist() == [1, 0, 1]
    assert result.kept.flatten().tolist() == pytest.approx([0.2, 1.4, 0.45], abs=1e-15)


def test_alif_without_adaptation_is_lif():
    x = 1.5 * torch.rand((8, 3, 5), generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    assert torch.equal(ALIF(beta=0.0, decay_input=True)(x), LIF(decay_input=True)(x))


def test_gates_at_their_ends_are_known_neurons():
    """Closed to 1e-9: α = γ = 1, β = 0 is a LIF with hard reset to 0 and leak τ; γ = 0 is one with soft reset by r."""
    x = 1.5 * torch.rand((8, 3, 5), generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    shut = 1e-9
    gates = {"alpha": 1 - shut, "beta": shut, "threshold": 0.6, "decay": 0.5}
    hard = GLIF(gamma=1 - shut, **gates).double()
    assert torch.equal(hard(x), LIF(tau=2.0, threshold=0.6, reset="hard")(x))
    # The soft reset comes after the leak here, before it in the LIF, where it therefore counts half.
    soft = GLIF(gamma=shut, subtract=0.3, **gates).double()
    assert torch.equal(soft(x), LIF(tau=2.0, threshold=0.6)(x))


def test_channels_with_equal_parameters_are_the_layer():
    x = 1.5 * torch.rand((6, 2, 3, 4, 4), generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    layer, channels = GLIF().double(), GLIF(per_channel=True, _channels=3).double()
    assert layer.elementwise and not channels.elementwise
    assert torch.equal(layer(x), channels(x)) and torch.equal(layer(x[..., 0, 0]), channels(x[..., 0, 0]))
    assert all(parameter.shape == (3,) for parameter in channels.parameters())
    with pytest.raises(ValueError, match="per_channel needs the number of channels"):
        GLIF(per_channel=True)


@pytest.mark.parametrize(
    ("make", "options", "message"),
    [
        (ALIF, {"beta": -0.1}, "beta should be at least 0"),
        (ALIF, {"tau_adaptation": 0.0}, "tau_adaptation should be above 0"),
        (GLIF, {"alpha": 1.0}, "alpha should be between 0 and 1"),
        (PSN, {"k": 0}, "k should be at least 1"),
        (PSN, {"threshold": 0.0}, "threshold should be above 0"),
        (KLIF, {"tau": 1.0}, "tau should be above 1"),
        (KLIF, {"threshold": -1.0}, "threshold should be above 0"),
    ],
)
def test_parameters_out_of_range_are_named(make, options, message):
    with pytest.raises(ValueError, match=message):
        make(**options)


def test_first_weights_halve_into_the_past():
    assert PSN(k=4).w.tolist() == [0.125, 0.25, 0.5, 1.0] and PSN(k=4, threshold=0.5).threshold.item() == 0.5


def test_unknown_reset_is_named():
    with pytest.raises(UnknownNameError, match="unknown reset 'sofft'; did you mean 'soft'"):
        LIF(reset="sofft")
