"""A model of somebody else: one file on Python's path, named in a suite."""

import sys

import pytest
import torch
from torch import nn

import bench
from bench.errors import ParameterError
from bench.models import build_model, neuron_parameters, synaptic_parameters, weights_digest
from bench.plugins.trust import TRUST_VARIABLE
from bench.suite.load import load_suite

TINY = '''
from torch import nn
from bench.models.layers import Conv2d, Flatten, Linear

class Tiny(nn.Sequential):
    """3x3 convolution - BN - neuron - linear."""

    def __init__(self, *, width: int = 8, _site):
        rows, columns = _site.image_size
        super().__init__(
            Conv2d(_site.in_channels, width, 3, padding=1, bias=False), _site.norm(width), _site.neuron(width),
            Flatten(), Linear(width * rows * columns, _site.classes))
'''

SUITE = """
name = "mine"
version = 1
title = "A model of my own"
seeds = [0]
baseline = "ReLU"
energy = ["horowitz-fp32"]
dataset = { name = "digits" }
model = { name = "mylab.models:Tiny", width = 4 }

[train]
epochs = 1
batch_size = 64
optimizer = { name = "sgd", learning_rate = 0.1 }

[[entries]]
label = "ReLU"
neuron = { name = "relu" }
timesteps = 1

[[entries]]
label = "LIF"
neuron = { name = "lif" }
timesteps = 2
"""


@pytest.fixture
def mylab(tmp_path, monkeypatch):
    package = tmp_path / "mylab"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "models.py").write_text(TINY)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv(TRUST_VARIABLE, "mylab")
    yield package
    for name in ("mylab", "mylab.models"):
        sys.modules.pop(name, None)


def tiny(neuron, **params):
    return build_model(
        "mylab.models:Tiny", neuron=neuron, in_channels=2, classes=3, image_size=(4, 6), weight_seed=0, **params
    )


def test_a_suite_names_it_and_every_neuron_starts_from_the_same_weights(mylab, tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text(SUITE)
    ann, snn = (run.spec for run in load_suite(path).runs)
    assert ann.model.name == snn.model.name == "mylab.models:Tiny"
    models = [tiny(spec.neuron.name, **spec.model.params) for spec in (ann, snn)]
    assert weights_digest(models[0]) == weights_digest(models[1])
    assert models[0][0].weight.shape == (4, 2, 3, 3)


def test_it_is_counted_like_any_other(mylab):
    model = tiny("lif")
    counts = bench.count_operations(model, [torch.rand(5, 2, 2, 4, 6)])
    assert [layer.dense_macs_per_sample for layer in counts.layers] == [5 * 2 * 8 * 9 * 24, 5 * 8 * 24 * 3]
    assert [neuron.units for neuron in counts.neurons] == [8 * 24]
    assert not counts.not_counted


def test_it_runs_only_where_the_user_trusts_it(mylab, monkeypatch):
    monkeypatch.setenv(TRUST_VARIABLE, "")
    with pytest.raises(ParameterError, match=r"would import 'mylab\.models'"):
        tiny("lif")
    assert "mylab.models" not in sys.modules


def test_its_parameters_are_checked_like_those_of_any_other(mylab):
    with pytest.raises(ParameterError, match="did you mean 'width'"):
        tiny("lif", widht=4)


def test_a_constructor_that_takes_no_site_is_told_so(mylab):
    (mylab / "models.py").write_text(TINY.replace(", _site", ", _in_channels"))
    with pytest.raises(ParameterError, match=r"model 'mylab.models:Tiny': its constructor should take `_site`"):
        tiny("lif")


class Scaled(nn.Module):
    """A neuron that keeps the contract without being one of this package's."""

    spiking = True

    def __init__(self):
        super().__init__()
        self.scale = nn.Linear(1, 1)

    def initial_state(self, x):
        return ()

    def step(self, x, state):
        return (x * self.scale.weight[0, 0] >= 1).float(), state

    def forward(self, x):
        return torch.stack([self.step(frame, ())[0] for frame in x])


def test_what_keeps_the_neuron_contract_is_a_neuron_for_weights_too(mylab):
    model = tiny(Scaled)
    assert list(neuron_parameters(model)) == ["2"]
    assert not any(name.startswith("2.") for name in synaptic_parameters(model))
    assert weights_digest(model) == weights_digest(tiny("lif"))
