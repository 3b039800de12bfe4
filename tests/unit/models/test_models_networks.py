"""Whole networks against float64 golden values, and what every network keeps."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import bench
from bench.errors import ParameterError
from bench.models import neuron_parameters
from bench.models.build import build_model
from bench.models.site import Site
from bench.neurons import Neuron
from bench.plugins.registry import plugins

GOLDEN = Path(__file__).parents[2] / "golden"


def fill(model):
    """Parameters by the rule in the golden json: He-scaled normal numbers, one generator per parameter."""
    norms = {f"{name}.weight" for name, module in model.named_modules() if isinstance(module, nn.BatchNorm2d)}
    for index, (name, parameter) in enumerate(model.named_parameters()):
        generator = torch.Generator().manual_seed(1000 + index)
        r = torch.randn(parameter.shape, generator=generator, dtype=torch.float64)
        if parameter.dim() > 1:
            value = r * math.sqrt(2 / parameter[0].numel())
        else:
            value = 4 * (1 + 0.1 * r) if name in norms else 0.1 * r
        parameter.data.copy_(value)


def sizes(model):
    return sum(parameter.numel() for parameter in model.parameters())


@pytest.mark.parametrize(
    ("name", "file", "parameters"), [("resnet18", "preact_resnet18", 11_176_906), ("vgg11", "vgg11_bn", 9_476_298)]
)
def test_golden_network(name, file, parameters):
    rule, values = json.loads((GOLDEN / f"{file}.json").read_text("utf-8")), np.load(GOLDEN / f"{file}.npz")
    rates = []
    for neuron in ("relu", "lif", "clif"):
        model = build_model(name, neuron=neuron, in_channels=rule["in_channels"], classes=10, image_size=rule["size"])
        model = model.double().eval()
        assert sizes(model) == parameters
        assert [[key, list(p.shape)] for key, p in model.named_parameters()] == rule["parameters"]
        fill(model)
        x = torch.from_numpy(values["x"])
        x = x.expand(1 if neuron == "relu" else rule["T"], *x.shape) if rule["static"] else x
        rates.clear()
        for module in model.modules():
            if isinstance(module, Neuron):
                module.register_forward_hook(lambda _, __, out: rates.append((out != 0).double().flatten(1).mean(1)))
        with torch.no_grad():
            logits = model(x)
        np.testing.assert_allclose(logits.numpy(), values[f"{neuron}_logits"], rtol=1e-9)
        np.testing.assert_array_equal(torch.stack(rates, 1).numpy(), values[f"{neuron}_rates"])


def convolution(inputs, outputs, extent, bias=True):
    return inputs * outputs * extent**2 + outputs * bias


def vgg_parameters(counts):
    channels = [c for c, count in zip((64, 128, 256, 512, 512), counts, strict=True) for _ in range(count)]
    pairs = zip([1, *channels], channels, strict=False)
    return sum(convolution(i, o, 3) + 2 * o for i, o in pairs) + 512 * 49 * 10 + 10


def resnet_parameters(counts, expansion):
    total, inputs = convolution(1, 64, 3, bias=False), 64
    for width, count in zip((64, 128, 256, 512), counts, strict=True):
        for _ in range(count):
            outputs = width * expansion
            if expansion == 1:
                total += 2 * (inputs + width) + convolution(inputs, width, 3) + convolution(width, width, 3)
            else:
                total += 2 * (inputs + 2 * width) + convolution(inputs, width, 1)
                total += convolution(width, width, 3) + convolution(width, outputs, 1)
            total += convolution(inputs, outputs, 1) if inputs != outputs else 0
            inputs = outputs
    return total + 2 * inputs + inputs * 10 + 10


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("convnet", 9 * (1 * 32 + 32 * 64 + 64 * 128) + 2 * (32 + 64 + 128) + 128 * 9 * 10 + 10),
        ("resnet18", 11_176_906 - 2 * 9 * 64),
        ("resnet34", resnet_parameters((3, 4, 6, 3), 1)),
        ("resnet50", resnet_parameters((3, 4, 6, 3), 4)),
        ("vgg11", 9_476_298 - 9 * 64),
        ("vgg13", vgg_parameters((2, 2, 2, 2, 2))),
        ("vgg16", vgg_parameters((2, 2, 3, 3, 3))),
        ("vgg19", vgg_parameters((2, 2, 4, 4, 4))),
    ],
)
def test_parameter_counts_for_one_channel(name, parameters):
    size = 28 if name == "convnet" else 32
    with torch.device("meta"):
        model = plugins("model")[name].load()(_site=Site(1, 10, (size, size), lambda channels: nn.ReLU()))
    assert sizes(model) == parameters


@pytest.mark.parametrize(
    ("name", "channels", "size"),
    [
        ("convnet", 1, 8),
        ("convnet", 1, 28),
        ("convnet", 3, 32),
        ("convnet", 2, (34, 40)),
        ("resnet18", 2, (8, 12)),
        ("resnet18", 3, 28),
        ("resnet34", 1, 64),
        ("resnet50", 1, 16),
        ("vgg13", 1, 32),
        ("vgg16", 2, (34, 40)),
        ("vgg19", 2, 32),
    ],
)
def test_shapes(name, channels, size):
    model = build_model(name, neuron="lif", in_channels=channels, classes=7, image_size=size, weight_seed=0).eval()
    height, width = (size, size) if isinstance(size, int) else size
    with torch.no_grad():
        assert model(torch.zeros(2, 1, channels, height, width)).shape == (2, 1, 7)


@pytest.mark.parametrize("name", ["convnet", "resnet18", "vgg11"])
@pytest.mark.parametrize("batch_norm", ["folded", "per-step"])
def test_gradient_reaches_every_parameter(name, batch_norm):
    size = 8 if name == "convnet" else 32
    model = build_model(
        name,
        neuron="plif",
        in_channels=2,
        classes=3,
        image_size=size,
        batch_norm=batch_norm,
        weight_seed=0,
        dropout=0.1,
    )
    torch.manual_seed(0)
    model(torch.randn(3, 4, 2, size, size)).square().sum().backward()
    for key, parameter in model.named_parameters():
        assert parameter.grad is not None and parameter.grad.isfinite().all(), key
        if not key.endswith("conv1.bias") and not key.endswith(".0.bias") and not key.endswith(".4.bias"):
            # A bias just before batch norm has no effect; all others do.
            assert parameter.grad.abs().sum() > 0, key


@pytest.mark.parametrize("name", ["convnet", "resnet18", "vgg11"])
def test_channels_last_equals_contiguous(name):
    model = build_model(name, neuron="clif", in_channels=3, classes=5, weight_seed=1).double()
    frames = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    x = frames.expand(3, *frames.shape)
    expected = model.train()(x)
    model.to(memory_format=torch.channels_last)
    out = model(frames.contiguous(memory_format=torch.channels_last).expand(3, *frames.shape))
    torch.testing.assert_close(out, expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("name", ["convnet", "resnet18", "vgg11"])
def test_static_input_equals_the_same_frames_in_memory(name):
    model = build_model(name, neuron="lif", in_channels=3, classes=5, weight_seed=1).double().eval()
    frames = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    with torch.no_grad():
        torch.testing.assert_close(model(frames.expand(4, *frames.shape)), model(frames.repeat(4, 1, 1, 1, 1)))


def test_convnet_inputs_of_later_convolutions_are_binary():
    model = build_model("convnet", neuron="lif", in_channels=1, classes=10, image_size=28, weight_seed=0)
    seen = []
    for module in list(model.modules()):
        if isinstance(module, nn.Conv2d | nn.Linear):
            module.register_forward_pre_hook(lambda _, inputs: seen.append(set(inputs[0].unique().tolist())))
    model(torch.rand(3, 4, 1, 28, 28, generator=torch.Generator().manual_seed(0)))
    assert len(seen) == 4 and all(values == {0.0, 1.0} for values in seen[1:])


def test_bf16_autocast_trains():
    model = build_model("convnet", neuron="plif", in_channels=1, classes=3, image_size=8, weight_seed=0)
    x = torch.randn(3, 4, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        logits = model(x)
    assert logits.dtype == torch.bfloat16
    logits.float().square().sum().backward()
    assert all(parameter.grad.isfinite().all() for parameter in model.parameters())
    assert len(neuron_parameters(model)) == 3


def test_mlp_of_spike_trains():
    """700 channels, two hidden layers of 128: weights, batch norms and the last layer's biases."""
    model = build_model("mlp", neuron="lif", in_channels=1, classes=20, image_size=(1, 700), weight_seed=0, width=128)
    assert sum(p.numel() for p in model.parameters()) == 700 * 128 + 128 * 128 + 2 * 2 * 128 + 128 * 20 + 20
    x = torch.randint(3, (5, 4, 1, 1, 700), generator=torch.Generator().manual_seed(0)).float()
    assert model(x).shape == (5, 4, 20)
    counts = bench.count_operations(model, [x], input_kind="graded")
    assert [layer.input_kind for layer in counts.layers] == ["graded", "binary", "binary"]
    assert counts.layers[0].graded_acs_total == int(x.sum()) * 128
    assert counts.layers[0].dense_macs_per_sample == 5 * 700 * 128
    assert {other.column for other in counts.other_ops} == {"bias", "readout"}  # batch norm folds into linear layers


@pytest.mark.parametrize(("params", "message"), [({"width": 0}, "not 0 and 2"), ({"hidden": 0}, "not 256 and 0")])
def test_mlp_refuses_what_has_no_layers(params, message):
    with pytest.raises(ParameterError, match=f"width and hidden should be at least 1, {message}"):
        build_model("mlp", neuron="lif", in_channels=1, classes=2, image_size=8, **params)
