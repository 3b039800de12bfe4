"""Networks by name: matched initial weights, seeds, digests and the errors a user can make."""

import os
import subprocess
import sys

import pytest
import torch
from support import ROOT
from torch import nn

import bench
from bench.errors import ParameterError, UnknownNameError
from bench.models import neuron_parameters, synaptic_parameters, weights_digest
from bench.models.build import build_model
from bench.neurons import LIF
from bench.plugins.registry import plugins

SMALL = {"in_channels": 1, "classes": 10, "image_size": 8}


def convnet(neuron="lif", seed=0, **options):
    return build_model("convnet", neuron=neuron, weight_seed=seed, **SMALL, **options)


@pytest.mark.parametrize("neuron", sorted(plugins("neuron")))
def test_all_neurons_start_from_the_same_weights(neuron):
    expected = synaptic_parameters(convnet("relu"))
    found = synaptic_parameters(convnet(neuron))
    assert list(found) == list(expected)
    assert all(torch.equal(found[name], expected[name]) for name in expected)
    assert weights_digest(convnet(neuron)) == weights_digest(convnet("relu"))


def test_a_seed_leaves_the_global_generator_alone():
    torch.manual_seed(7)
    before = torch.get_rng_state()
    first = weights_digest(convnet(seed=3))
    assert torch.equal(torch.get_rng_state(), before)
    torch.rand(5)
    assert weights_digest(convnet(seed=3)) == first != weights_digest(convnet(seed=4))


def test_without_a_seed_the_global_generator_decides():
    digests = []
    for seed in (0, 0, 1):
        torch.manual_seed(seed)
        digests.append(weights_digest(convnet(seed=None)))
    assert digests[0] == digests[1] != digests[2]
    assert weights_digest(convnet(seed=None)) != digests[2]


@pytest.mark.parametrize("capability", ["default", "avx2"])
def test_initial_weights_do_not_depend_on_the_instruction_set(capability):
    program = """
import bench.models as m, bench.models.build as b
model = b.build_model("convnet", neuron="lif", weight_seed=0, in_channels=1, classes=10, image_size=8)
print(m.weights_digest(model))
"""
    limited = os.environ | {"ATEN_CPU_CAPABILITY": capability, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", program], env=limited, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == weights_digest(convnet("lif"))


def test_initial_values():
    model = build_model("resnet18", neuron="lif", in_channels=3, classes=10, weight_seed=0)
    weight = model.layer2[0].conv1.weight
    assert weight.std().item() == pytest.approx((2 / (128 * 9)) ** 0.5, rel=0.01)  # fan_out, not fan_in
    assert weight.mean().item() == pytest.approx(0, abs=3 * weight.std().item() / weight.numel() ** 0.5)
    assert model.layer2[0].conv1.bias.abs().max() == 0 and model.conv1.bias is None
    assert (model.bn1.weight == 1).all() and (model.bn1.bias == 0).all()
    bound = 512**-0.5
    assert 0.99 * bound < model.linear.weight.abs().max().item() <= bound
    assert 0 < model.linear.bias.abs().max().item() <= bound


def test_neuron_parameters_are_apart():
    model = convnet("plif", neuron_params={"tau": 4.0})
    owned = neuron_parameters(model)
    assert list(owned) == ["stages.0.neuron", "stages.1.neuron", "stages.2.neuron"]
    assert torch.sigmoid(owned["stages.1.neuron"]["w"]).item() == pytest.approx(0.25)
    assert not any("neuron" in name for name in synaptic_parameters(model))
    names = {name for name, _ in model.named_parameters()} | {name for name, _ in model.named_buffers()}
    assert names - set(synaptic_parameters(model)) == {f"{layer}.w" for layer in owned}
    assert neuron_parameters(convnet("lif")) == {}


def test_digest_sees_values_names_and_running_averages_but_not_layout_or_precision():
    model = convnet()
    digest = weights_digest(model)
    assert len(digest) == 16 and int(digest, 16) >= 0
    assert weights_digest(convnet().to(memory_format=torch.channels_last)) == digest
    assert weights_digest(convnet().double()) == digest
    model.linear.bias.data[0] += 1e-3
    assert weights_digest(model) != digest
    other = convnet()
    other.stages[0].bn.running_mean += 1
    assert weights_digest(other) != digest


def test_a_neuron_may_be_a_function_that_makes_one():
    made = []

    def factory():
        made.append(LIF(tau=3.0))
        return made[-1]

    model = convnet(factory, stages=2)
    assert len(made) == 2 and model.stages[0].neuron is made[0] and model.stages[1].neuron is made[1]
    assert isinstance(bench.build_model("resnet18", neuron="clif", in_channels=3, classes=10), nn.Module)


@pytest.mark.parametrize(
    ("call", "kind", "message"),
    [
        (lambda: build_model("resnet81", neuron="lif", **SMALL), UnknownNameError, "did you mean 'resnet18'"),
        (lambda: convnet("lift"), UnknownNameError, "did you mean 'lif'"),
        (lambda: convnet(widht=3), ParameterError, "did you mean 'width'"),
        (lambda: convnet(width="a"), ParameterError, "width: should be int"),
        (lambda: convnet(width=0), ParameterError, "at least 1"),
        (lambda: convnet(stages=4), ParameterError, "use at most 3"),
        (lambda: convnet(dropout=1.5), ParameterError, "dropout"),
        (lambda: convnet(neuron_params={"tau": 0.5}), ParameterError, "tau should be above 1"),
        (lambda: convnet(LIF, neuron_params={"tau": 2.0}), ParameterError, "neuron_params"),
        (lambda: convnet(batch_norm="per_step"), ParameterError, "did you mean 'per-step'"),
        (lambda: build_model("vgg11", neuron="lif", **SMALL), ParameterError, "at least 32x32, not 8x8"),
    ],
)
def test_errors(call, kind, message):
    with pytest.raises(kind, match=message):
        call()
