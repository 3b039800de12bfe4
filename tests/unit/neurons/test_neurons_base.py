"""The time loop, plain and compiled, the surrogates and the way from a name to a neuron."""

import copy
import itertools
import pickle
import subprocess
import sys

import pytest
import torch
from torch import nn

import bench.neurons
from bench.errors import ParameterError, UnknownNameError
from bench.neurons import CLIF, GLIF, LIF, PLIF, PSN, Neuron, make_factory
from bench.neurons.base import CompileError
from bench.neurons.surrogate import derivative_of, spike
from bench.plugins.registry import plugins
from bench.sequences import repeat


def random(*shape, dtype=torch.float32, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).to(dtype) + 0.3


def channels_last(x):
    return x.flatten(0, 1).contiguous(memory_format=torch.channels_last).unflatten(0, x.shape[:2])


class Lateral(Neuron):
    """A neuron that is not elementwise: channels share a running mean and have a gain each."""

    def __init__(self):
        super().__init__(surrogate="triangle")
        self.gain = nn.Parameter(torch.tensor([0.5, 1.0, 1.5])[:, None, None])

    def initial_state(self, x):
        return (torch.zeros_like(x),)

    def step(self, x, state):
        u = 0.5 * state[0] + self.gain * x - 0.1 * x.mean(1, keepdim=True)
        spikes = self.fire(u - 1)
        return spikes, (u - spikes,)


def forward_backward(neuron, x):
    x = x.detach().requires_grad_()
    neuron.zero_grad()
    out = neuron(x)
    out.backward(random(*x.shape, dtype=x.dtype, seed=1))
    return out, [x.grad, *(p.grad for p in neuron.parameters())]


@pytest.mark.parametrize(
    ("name", "at"),
    [
        ("rectangle", {-0.51: 0, -0.5: 1, 0.0: 1, 0.5: 1, 0.51: 0}),
        ("atan", {0.0: 1, 1.0: 1 / (1 + torch.pi**2), -1.0: 1 / (1 + torch.pi**2)}),
        ("sigmoid", {0.0: 1, 0.5: 0.4199743416140261}),
        ("triangle", {-1.0: 0, -0.25: 0.75, 0.0: 1, 0.5: 0.5, 2.0: 0}),
    ],
)
def test_surrogates_at_known_points(name, at):
    x = torch.tensor(list(at), dtype=torch.float64, requires_grad=True)
    spikes = spike(x, derivative_of(name))
    spikes.sum().backward()
    assert spikes.tolist() == [float(u >= 0) for u in at]
    assert x.grad.tolist() == pytest.approx(list(at.values()), abs=1e-12)


@pytest.mark.parametrize("name", plugins("surrogate"))
def test_surrogates_have_area_and_height_one(name):
    x = torch.linspace(-500, 500, 2_000_001, dtype=torch.float64)
    density = derivative_of(name)(x)
    assert density.max().item() == pytest.approx(1, abs=1e-9)
    assert torch.trapezoid(density, x).item() == pytest.approx(1, abs=1e-3)  # the tail of atan beyond 500: 4e-4


def test_unknown_surrogate_names_the_nearest():
    with pytest.raises(UnknownNameError, match="did you mean 'triangle'"):
        LIF(surrogate="triangel")


def test_factory_makes_fresh_neurons_and_checks_at_once():
    factory = make_factory("plif", tau=3.0)
    first, second = factory(4), factory(4)
    assert first is not second and first.w is not second.w and first.w.item() == second.w.item()
    with pytest.raises(UnknownNameError, match="did you mean 'plif'"):
        make_factory("pliff")
    with pytest.raises(ParameterError, match="did you mean 'tau'"):
        make_factory("lif", taw=2.0)
    with pytest.raises(ParameterError, match="tau should be above 1"):
        make_factory("lif", tau=1.0)


def test_only_the_neuron_in_use_is_imported():
    code = "import sys; from bench.neurons import LIF; print('bench.neurons.clif' in sys.modules, LIF.name)"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.split() == ["False", "lif"]


def test_names_of_the_package():
    neurons = {"ALIF", "CLIF", "GLIF", "IF", "KLIF", "LIF", "PLIF", "PSN", "ReLU"}
    assert neurons | {"Neuron", "make_factory"} <= set(dir(bench.neurons))
    with pytest.raises(AttributeError, match="no attribute 'LIFE'"):
        bench.neurons.LIFE  # noqa: B018


def test_memory_format_is_kept():
    x = channels_last(random(3, 2, 4, 5, 6))
    assert CLIF()(x).stride() == x.stride() != x.contiguous().stride()
    assert torch.equal(CLIF()(x), CLIF()(x.contiguous()))
    assert LIF()(x.permute(0, 1, 3, 4, 2)).shape == (3, 2, 5, 6, 4)


def test_repeated_frame_equals_its_copies():
    frame = random(2, 4, 5, 6)
    x = frame.expand(3, *frame.shape)
    assert torch.equal(CLIF()(x), CLIF()(x.clone(memory_format=torch.contiguous_format)))


def test_compiled_only_while_training(monkeypatch):
    def fail(*_):
        raise AssertionError("compiled")

    monkeypatch.setattr(bench.neurons.base, "fused_sequence", fail)
    neuron, x = LIF(), random(2, 3, 4)
    neuron.use_fused(True)
    with torch.no_grad():
        neuron(x)
    neuron.eval()(x)
    with pytest.raises(AssertionError, match="compiled"):
        neuron.train()(x)
    neuron.use_fused(False)
    neuron(x)


def test_compile_failure_has_a_kind(monkeypatch):
    def broken(graph, inputs, **_):
        raise OSError("no compiler")

    original = torch.compile
    monkeypatch.setattr(torch, "compile", lambda f, **options: original(f, backend=broken, **options))
    bench.neurons.base.fused_sequence.cache_clear()
    neuron = LIF()
    neuron.use_fused(True)
    with pytest.raises(CompileError, match="no compiler"):
        neuron(random(2, 3, 4).requires_grad_())
    bench.neurons.base.fused_sequence.cache_clear()


def test_compiled_equals_plain_over_layers_and_layouts():
    layers = [(3, 5, 3, 8, 8), (3, 5, 6, 4, 4), (3, 2, 6, 4, 4), (3, 5, 7), (3, 1, 1), (3, 3, 16, 1, 1)]
    for index, shape in enumerate([*layers, *layers]):
        x = random(*shape, seed=index)
        x = channels_last(x) if len(shape) == 5 and index % 2 else x
        plain = LIF()
        compiled = pickle.loads(pickle.dumps(plain))
        compiled.use_fused(True)
        assert list(compiled.state_dict()) == list(plain.state_dict())
        (out, gradients), (expected, expected_gradients) = forward_backward(compiled, x), forward_backward(plain, x)
        assert torch.equal(out, expected) and out.stride() == expected.stride()
        torch.testing.assert_close(gradients, expected_gradients, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("make", [LIF, Lateral])
@pytest.mark.parametrize("fused", [False, True], ids=["plain", "fused"])
def test_a_repeated_current_has_the_gradient_of_its_copies(make, fused):
    neuron, x = make().train(), channels_last(random(1, 4, 3, 6, 6))
    frame, copy_ = x[0].clone().requires_grad_(), x[0].clone().requires_grad_()
    cotangent = random(3, 4, 3, 6, 6, seed=5)
    expected = neuron(torch.stack([copy_] * 3))
    neuron.use_fused(fused)
    found = neuron(repeat(frame, 3))
    assert torch.equal(found, expected) and 0 < found.mean() < 1
    found.backward(cotangent)
    expected.backward(cotangent)
    torch.testing.assert_close(frame.grad, copy_.grad, rtol=1e-4, atol=1e-5)


def held_for_backward(neuron, x):
    """Bytes of the distinct tensors that a training pass keeps, as multiples of the input's own."""
    held = {}

    def pack(tensor):
        held[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        out = neuron(x)
    assert out.requires_grad
    return sum(held.values()) / x.untyped_storage().nbytes()


@pytest.mark.parametrize("name", ["lif", "clif"])
def test_fused_holds_one_tensor_of_the_inputs_size(name):
    neuron, x = make_factory(name)(3), random(3, 8, 3, 9, 9).requires_grad_()
    assert held_for_backward(neuron, x) >= 1
    neuron.use_fused(True)
    neuron(x).sum().backward()
    assert held_for_backward(neuron, x) <= 1


@pytest.mark.parametrize(
    ("make", "dtype"),
    [
        *itertools.product([CLIF, PLIF, Lateral, lambda: LIF(surrogate="atan")], [torch.float32, torch.bfloat16]),
        (CLIF, torch.float64),
        # In which nothing is trained.
        *(
            pytest.param(make, torch.float64, marks=pytest.mark.long)
            for make in (PLIF, Lateral, lambda: LIF(surrogate="atan"))
        ),
        (lambda: LIF(reset="hard", v_reset=-0.06, decay_input=True, detach_reset=True), torch.float32),
        (lambda: GLIF(per_channel=True, _channels=3), torch.float32),
        (lambda: PSN(k=3), torch.float32),
    ],
)
def test_compiled_equals_plain(make, dtype):
    for shape in [(3, 4, 3, 8, 8), (3, 2, 3, 5, 5), (3, 1, 3, 1, 1)]:
        plain = make()
        plain = plain.double() if dtype == torch.float64 else plain
        compiled = copy.deepcopy(plain)
        compiled.use_fused(True)
        x = channels_last(random(*shape, dtype=dtype))
        (out, gradients), (expected, expected_gradients) = forward_backward(compiled, x), forward_backward(plain, x)
        assert out.dtype == dtype and torch.equal(out, expected)
        torch.testing.assert_close(gradients, expected_gradients)


@pytest.mark.parametrize("native", [True, False])
def test_compiled_equals_plain_in_bf16_whether_or_not_the_processor_has_it(native, monkeypatch):
    monkeypatch.setattr("bench.neurons.base.multiplies_bf16", lambda: native)
    test_compiled_equals_plain(CLIF, torch.bfloat16)


def test_a_neuron_without_a_name_is_called_by_its_class():
    class Leakier(LIF):
        """As LIF."""

    assert (LIF.name, Leakier.name, Lateral.name) == ("lif", "Leakier", "Lateral")
