"""This project's counts against NeuroBench, SpikingJelly and fvcore, on the same networks and the same inputs."""

import pytest
import torch
from support.crosscheck_peers import by_neurobench, by_spikingjelly, per_sample
from torch import nn

from bench.data.feed.loader import DeviceLoader
from bench.measure.counting.count import count_operations
from bench.measure.dense import fvcore_macs
from bench.measure.evaluate import evaluate
from bench.models.build import build_model
from bench.runs.assembly import TrainingSequences, assemble
from bench.seeding import seed_for
from bench.store.checkpoints import Checkpoints
from bench.suite.fields import PluginSpec
from bench.suite.recipe import OptimizerSpec, ScheduleSpec, TrainSpec
from bench.suite.run_spec import DatasetSpec, ModelSpec, RunSpec
from bench.train.keeper import Saving
from bench.train.learner import Learner
from bench.train.loop import fit

TIMESTEPS = 4
ALL_KINDS = "binary ternary graded analog"
SPIKING = "binary ternary"


@pytest.fixture(scope="module", params=["lif", "clif"])
def trained(request, tmp_path_factory):
    """A network trained on digits, and test images fed at every timestep: contiguous, so the stem is not cached."""
    return train_on_digits(request.param, tmp_path_factory.mktemp(request.param))


def train_on_digits(neuron, folder):
    spec = RunSpec(
        suite_version=1,
        dataset=DatasetSpec(name="digits"),
        model=ModelSpec.model_validate({"name": "convnet", "width": 12, "stages": 2}),
        train=TrainSpec(
            epochs=3,
            batch_size=64,
            optimizer=OptimizerSpec(name="adamw", learning_rate=5e-3),
            schedule=ScheduleSpec(name="one-cycle"),
        ),
        neuron=PluginSpec(name=neuron),
        encoder=PluginSpec(name="direct"),
        timesteps=TIMESTEPS,
        seed=0,
    )
    torch.manual_seed(seed_for("dropout", spec.seed))
    assembly = assemble(spec)
    model, encoder = assembly.model, assembly.encoder
    arrays = assembly.load(folder, offline=True)
    test = list(DeviceLoader(arrays.test, arrays, batch_size=90).evaluation_batches())

    def accuracy():
        sequences = [(encoder.encode(images, TIMESTEPS), labels) for images, labels in test]
        found = evaluate(model, sequences).accuracy_fraction
        return {"test_accuracy_fraction": found, "validation_accuracy_fraction": None}

    fit(
        Learner(model, spec.train, assembly.device),
        TrainingSequences(assembly, assembly.training_loader(arrays)),
        Saving(Checkpoints(folder / "checkpoint.pt")),
        origin={},
        test=accuracy,
        watch=lambda progress: None,
        stop=lambda: False,
    )
    assert (accuracy()["test_accuracy_fraction"] or 0) > 0.7  # it has learnt something, so its spikes mean something
    return model.eval(), encoder.encode(test[0][0], TIMESTEPS).contiguous()


@pytest.fixture(scope="module")
def resnet():
    """ResNet-18 with random weights, in float64: NeuroBench adds operations up in the dtype of the input."""
    return hot("resnet18", neuron="lif")


@pytest.fixture(scope="module")
def vgg():
    """VGG-11: its average pools turn spikes into multiples of 1/4."""
    return hot("vgg11", neuron="lif")


def hot(name, neuron):
    model = build_model(name, neuron=neuron, in_channels=3, classes=10, image_size=32, weight_seed=0).double().eval()
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.constant_(module.bias, 0.6)  # above what random weights give, so that spikes reach the last layer
    images = torch.randn(2, 3, 32, 32, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    return model, images.expand(2, 2, 3, 32, 32).contiguous()


def count(network):
    model, x = network
    return count_operations(model, [x], input_kind="analog")


def check_spiking_network(network, graded):
    counts = count(network)
    kinds = [layer.input_kind for layer in counts.layers]
    assert kinds[0] == "analog" and set(kinds[1:]) == {"binary", *["graded"][:graded]}
    assert not any(layer.silent or layer.static_input for layer in counts.layers)


def check_neurobench(network):
    found, counts = by_neurobench(*network), count(network)
    assert found.effective_acs == per_sample(counts, lambda layer: layer.effective_synops_total, SPIKING)
    assert found.effective_macs == per_sample(counts, lambda layer: layer.effective_synops_total, "graded analog")
    assert found.dense == per_sample(counts, lambda layer: layer.dense_macs_valid_total, ALL_KINDS)
    assert found.effective_acs > 0


def check_spikingjelly(network):
    found, counts = by_spikingjelly(*network), count(network)
    for layer in counts.layers:
        binary = layer.input_kind == "binary"
        assert found.synops[layer.name] == (layer.effective_synops_total if binary else 0), layer.name
        assert found.macs[layer.name] == (0 if binary else layer.dense_macs_total), layer.name
    assert sum(found.synops.values()) > 0


def test_trained_digits_network_is_binary_behind_the_stem(trained):
    check_spiking_network(trained, graded=False)


def test_trained_digits_network_equals_neurobench(trained):
    """To the last digit: effective ACs, the stem's effective MACs (zero pixels skipped), dense without padding."""
    check_neurobench(trained)


def test_trained_digits_network_equals_spikingjelly(trained):
    """Layer by layer: synops of spiking layers, and dense MACs, padding included, of the analog stem."""
    check_spikingjelly(trained)


def test_trained_digits_network_equals_fvcore(trained):
    counts = count(trained)
    assert {layer.name: layer.dense_macs_total for layer in counts.layers} == fvcore_macs(*trained)


def test_resnet18_is_binary_behind_the_stem(resnet):
    """Every convolution of a pre-activation network sees spikes; only the head sees their 4x4 averages."""
    check_spiking_network(resnet, graded=True)
    kinds = {layer.name: layer.input_kind for layer in count(resnet).layers}
    assert [name for name, kind in kinds.items() if kind == "graded"] == [list(kinds)[-1]]


def test_resnet18_equals_neurobench(resnet):
    check_neurobench(resnet)


def test_resnet18_equals_spikingjelly(resnet):
    check_spikingjelly(resnet)


def test_resnet18_equals_fvcore(resnet):
    counts = count(resnet)
    assert {layer.name: layer.dense_macs_total for layer in counts.layers} == fvcore_macs(*resnet)


def test_averaged_spikes_are_macs_to_neurobench(vgg):
    """NeuroBench's rule: one value outside {-1, 0, 1} makes the whole tensor's effective operations MACs.

    Here such a layer is graded: the same operations, as one AC per level, with the MAC view beside it.
    """
    check_spiking_network(vgg, graded=True)
    check_neurobench(vgg)


def test_averaged_spikes_are_dense_macs_to_spikingjelly(vgg):
    """SpikingJelly's rule: one value outside {0, 1} makes the layer dense MACs, zeros and padding included."""
    check_spikingjelly(vgg)


def test_vgg11_equals_fvcore(vgg):
    counts = count(vgg)
    assert {layer.name: layer.dense_macs_total for layer in counts.layers} == fvcore_macs(*vgg)
