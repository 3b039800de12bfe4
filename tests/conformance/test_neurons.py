"""What every neuron keeps, whatever its equation: run over all neurons in the folder."""

import copy
import inspect
import pickle

import pytest
import torch

from bench.neurons import Neuron
from bench.neurons.surrogate import DERIVATIVES
from bench.registry import create, plugins

pytestmark = pytest.mark.parametrize("name", sorted(plugins("neuron")))

SHAPE = (5, 4, 3, 2, 2)  # [T, N, C, H, W]


def drive(*shape, seed=0, dtype=torch.float32):
    """Currents around the threshold, of both signs."""
    generator = torch.Generator().manual_seed(seed)
    return (torch.randn(shape, generator=generator, dtype=torch.float64) + 0.5).to(dtype)


def test_schema_and_docstring(name):
    info = plugins("neuron")[name]
    cls = info.load()
    assert issubclass(cls, Neuron) and cls.name == name
    assert "=" in info.summary and len(info.summary) <= 120
    assert "Source" in inspect.getdoc(cls)
    for parameter in info.parameters:
        assert not parameter.required and parameter.problem(parameter.default) is None
        assert f"{parameter.name}:" in inspect.getdoc(cls), f"{parameter.name} is not documented"
        if parameter.choices and parameter.name == "surrogate":  # where a neuron lists them rather than say str
            assert set(parameter.choices) == set(DERIVATIVES)
    # What begins with an underscore is the harness's to give, such as the channels of the layer.
    arguments = [p for p in inspect.signature(cls).parameters.values() if not p.name.startswith("_")]
    assert info.resolve({}) == {p.name: p.default for p in arguments}


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("shape", [(1, 2), (5, 3), (1, 2, 7), SHAPE])
def test_shape_dtype_and_values(name, shape, dtype):
    neuron, x = create("neuron", name), drive(*shape, dtype=dtype)
    out = neuron(x)
    assert out.shape == x.shape and out.dtype == dtype and out.device == x.device
    binary = set(out.flatten().tolist()) <= {0.0, 1.0}
    assert binary == neuron.spiking or out.numel() < 10


def test_both_silence_and_activity_occur(name):
    out = create("neuron", name)(drive(*SHAPE))
    assert 0 < (out != 0).float().mean().item() < 1


def test_nothing_is_kept_between_calls(name):
    neuron, x = create("neuron", name), drive(*SHAPE)
    first = neuron(x)
    neuron(drive(*SHAPE, seed=1))
    assert torch.equal(neuron(x), first)
    assert not list(neuron.buffers())


def test_permuting_the_batch_commutes(name):
    neuron, x, order = create("neuron", name), drive(*SHAPE), torch.tensor([2, 0, 3, 1])
    assert torch.equal(neuron(x[:, order]), neuron(x)[:, order])


def test_elementwise_promise(name):
    neuron, x = create("neuron", name), drive(*SHAPE)
    if not neuron.elementwise:
        pytest.skip(f"{name} does not promise to be elementwise")
    order = torch.randperm(x[0].numel(), generator=torch.Generator().manual_seed(3))
    shuffled = x.flatten(1)[:, order].view(SHAPE)
    assert torch.equal(neuron(shuffled).flatten(1), neuron(x).flatten(1)[:, order])


@pytest.mark.parametrize("cut", [1, 3, 4])
def test_the_future_does_not_reach_the_past(name, cut):
    neuron, x = create("neuron", name), drive(*SHAPE)
    changed = torch.cat([x[:cut], drive(*SHAPE, seed=1)[cut:]])
    assert torch.equal(neuron(changed)[:cut], neuron(x)[:cut])
    assert torch.equal(neuron(x[:cut]), neuron(x)[:cut])


def test_forward_is_the_loop_over_step(name):
    neuron, x = create("neuron", name), drive(*SHAPE)
    state, spikes = neuron.initial_state(x[0]), []
    for current in x:
        spike, state = neuron.step(current, state)
        spikes.append(spike)
        assert all(part.shape == current.shape for part in state)
    assert torch.equal(neuron(x), torch.stack(spikes))


def test_inputs_and_states_are_not_changed_in_place(name):
    neuron, x = create("neuron", name), drive(*SHAPE)
    before = x.clone()
    neuron(x)
    assert torch.equal(x, before) and x._version == 0
    _, state = neuron.step(x[0], neuron.initial_state(x[0]))
    kept = [part.clone() for part in state]
    neuron.step(x[1], state)
    assert all(torch.equal(part, copied) for part, copied in zip(state, kept, strict=True))


@pytest.mark.parametrize("surrogate", DERIVATIVES)
def test_gradients_are_finite_and_not_zero(name, surrogate):
    spiking = plugins("neuron")[name].load().spiking
    neuron = create("neuron", name, surrogate=surrogate) if spiking else create("neuron", name)
    x = drive(20, 3, 8).requires_grad_()
    neuron(x).sum().backward()
    for tensor in (x, *neuron.parameters()):
        assert tensor.grad.isfinite().all() and tensor.grad.abs().sum() > 0


def test_large_inputs_stay_finite(name):
    neuron = create("neuron", name)
    x = (drive(30, 2, 3) * 1e6).requires_grad_()
    out = neuron(x)
    out.sum().backward()
    assert out.isfinite().all() and x.grad.isfinite().all()


def test_states_are_float32_under_autocast(name):
    neuron, seen = create("neuron", name), []
    step = neuron.step

    def spy(x, state):
        seen.extend([x.dtype, *(part.dtype for part in state)])
        return step(x, state)

    neuron.step = spy
    x = drive(*SHAPE, dtype=torch.bfloat16)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        out = neuron(x)
    assert out.dtype == torch.bfloat16 and set(seen) <= {torch.float32}
    assert torch.equal(out.float(), create("neuron", name)(x.float()).bfloat16().float())


def test_copies_and_pickles(name):
    neuron, x = create("neuron", name), drive(*SHAPE)
    neuron.use_compiled(True)
    for twin in (copy.deepcopy(neuron), pickle.loads(pickle.dumps(neuron))):
        assert torch.equal(twin.eval()(x), copy.deepcopy(neuron).eval()(x))
        assert list(twin.state_dict()) == list(create("neuron", name).state_dict())


def test_construction_draws_no_random_numbers(name):
    before = torch.get_rng_state()
    create("neuron", name)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.slow
def test_compiled_equals_plain(name):
    plain, x, cotangent = create("neuron", name), drive(*SHAPE), drive(*SHAPE, seed=1)
    compiled = copy.deepcopy(plain)
    compiled.use_compiled(True)
    results = []
    for neuron in (plain, compiled):
        inputs = x.clone().requires_grad_()
        out = neuron(inputs)
        out.backward(cotangent)
        results.append([out, inputs.grad, *(p.grad for p in neuron.parameters())])
    torch.testing.assert_close(results[1], results[0])
