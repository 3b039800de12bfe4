"""Models of other libraries through the counter: their neurons, their state, their time, against brute force."""

import importlib
import warnings

import pytest
import torch
from support.brute_force import brute, pairs_of
from torch import nn

import bench

T, N = 4, 3


def library(name):
    """Import a library, or skip the test that asks for it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return importlib.import_module(name)
        except ImportError:
            pytest.skip(f"{name.partition('.')[0]} is needed (extra 'crosscheck'); it is not installed")


class Stepped(nn.Module):
    """A neuron between two linear layers, called once per timestep on the same input, or on x [T, N, F]."""

    def __init__(self, neuron, over_time=False):
        super().__init__()
        self.fc, self.neuron, self.out, self.over_time = nn.Linear(10, 20), neuron, nn.Linear(20, 5), over_time

    def forward(self, x):
        found, state = [], ()
        for step in x if self.over_time else [x] * T:
            y = self.neuron(self.fc(step), *state)
            if isinstance(y, tuple):
                y, state = y[0], (y[1],) if self.over_time else ()
            found.append(self.out(y))
        return torch.stack(found)


def data(*shape, scale=5.0):
    return scale * torch.rand(*shape, generator=torch.Generator().manual_seed(1))


def snntorch_neuron(name):
    snn = library("snntorch")
    two = {"alpha": 0.9, "beta": 0.8}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # inhibition is said to be unstable
        made = {
            "Leaky": lambda: (snn.Leaky(beta=0.9, init_hidden=True), 1),
            "Synaptic": lambda: (snn.Synaptic(**two, init_hidden=True), 2),
            "Alpha": lambda: (snn.Alpha(**two, init_hidden=True), 3),
            "Lapicque": lambda: (snn.Lapicque(beta=0.5, init_hidden=True), 1),
            "RLeaky": lambda: (snn.RLeaky(beta=0.9, linear_features=20, init_hidden=True), 1),
            "inhibited Leaky": lambda: (snn.Leaky(beta=0.9, init_hidden=True, inhibition=True), 1),
            "SLSTM": lambda: (snn.SLSTM(20, 20, init_hidden=True), 2),
        }
        return made[name]()


@pytest.mark.parametrize("name", ["Leaky", "Synaptic", "Alpha", "Lapicque", "RLeaky", "inhibited Leaky", "SLSTM"])
def test_snntorchs_neurons_are_neurons_and_forget_between_batches(name):
    torch.manual_seed(0)
    neuron, words = snntorch_neuron(name)
    model, x = Stepped(neuron).eval(), data(N, 10)
    one, two = (bench.count_operations(model, [x] * times, layout="N") for times in (1, 2))
    [found] = two.neurons
    assert (found.units, found.timesteps, found.state_words, found.spiking) == (20, T, words, True)
    assert not two.not_counted and not two.warnings
    assert two.neurons[0].spikes_total == 2 * one.neurons[0].spikes_total
    assert two.layers[-1].input_kind == "binary"
    neuron.reset_mem()
    assert sum(layer.effective_synops_total for layer in one.layers) == pairs_of(model, x)


@pytest.mark.parametrize(("name", "words"), [("LIFCell", 2), ("LIFBoxCell", 1)])
def test_norses_cells_are_neurons(name, words):
    torch.manual_seed(0)
    model = Stepped(getattr(library("norse.torch"), name)(), over_time=True).eval()
    x = data(T, N, 10, scale=50.0)
    counts = bench.count_operations(model, [x], layout="TN")
    [found] = counts.neurons
    assert (found.units, found.timesteps, found.state_words) == (20, T, words) and found.spikes_total
    assert counts.layers[-1].input_kind == "binary" and not counts.not_counted
    assert sum(layer.effective_synops_total for layer in counts.layers) == pairs_of(model, x)
    # Whole numbers: the first update, whose states are the cell's parameters, costs what the others do.
    subs = {"LIFCell": 2, "LIFBoxCell": 2}[name]  # of v_leak - v and of i's, or the threshold's; 1 - z is a NOT
    assert found.ops_per_update["sub"] == subs and found.ops_per_update["logic"] == 1
    assert all(count == int(count) for count in found.ops_per_update.values())


@pytest.mark.parametrize("name", ["LIFRecurrent", "LSNNRecurrent"])
def test_norses_recurrent_layers_meet_their_weights(name):
    torch.manual_seed(0)
    norse = library("norse.torch")
    model = norse.SequentialState(getattr(norse, name)(10, 20), nn.Linear(20, 5)).eval()
    x = data(T, N, 10, scale=50.0)
    counts = bench.count_operations(model, [x], layout="TN")
    first, recurrent, last = counts.layers
    assert (first.input_kind, recurrent.input_kind, last.input_kind) == ("analog", "binary", "binary")
    assert recurrent.zero_weights == 20  # no neuron meets itself
    pairs = first.effective_synops_total + recurrent.synops_without_zero_weights_total + last.effective_synops_total
    assert pairs == pairs_of(model, x)
    assert sum(layer.dense_macs_total for layer in counts.layers) == T * N * (200 + 400 + 100)
    assert len(counts.neurons) == 1 and not counts.not_counted


def test_sinabs_neurons_send_several_spikes_at_once():
    layers = library("sinabs.layers")
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(10, 20), layers.IAF(), nn.Linear(20, 5)).eval()
    counts = bench.count_operations(model, [data(N, T, 10, scale=9.0)] * 2, layout="NT")
    [found] = counts.neurons
    assert (found.units, found.timesteps, found.state_words) == (20, T, 1)
    last = counts.layers[-1]
    assert (last.input_kind, last.input_unit) == ("graded", 1.0) and last.graded_acs_total > last.effective_synops_total
    assert not counts.not_counted and not counts.warnings
    assert bench.estimate_energy(counts, "horowitz-fp32").total_pj_per_sample


class Inside(nn.Module):
    """A network that makes its own time, [T, N, F], out of an input [N, F]."""

    def __init__(self, neuron):
        super().__init__()
        self.fc, self.neuron, self.out = nn.Linear(10, 20), neuron, nn.Linear(20, 5)

    def forward(self, x):
        return self.out(self.neuron(self.fc(x).expand(T, -1, -1))).mean(0)


def test_units_timesteps_and_prices_do_not_depend_on_the_batch_where_time_is_made_inside():
    neuron = library("spikingjelly.activation_based.neuron")
    torch.manual_seed(0)
    model = Inside(neuron.LIFNode(step_mode="m")).eval()
    found = set()
    for samples in (1, 2, 3, 4, 8):
        counts = bench.count_operations(model, [data(1, 10).expand(samples, 10)], layout="N")
        prices = [bench.estimate_energy(counts, name).total_pj_per_sample for name in ("horowitz-memory", "lemaire")]
        found.add((counts.neurons[0].units, counts.neurons[0].timesteps, *(f"{price:.6f}" for price in prices)))
    assert len(found) == 1 and next(iter(found))[:2] == (20, T)


def test_spikingjellys_state_is_reset_between_batches_or_said_to_leak():
    neuron = library("spikingjelly.activation_based.neuron")
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(10, 20), neuron.LIFNode(tau=4.0, step_mode="m"), nn.Linear(20, 5)).eval()
    x = data(T, N, 10)
    one, many = (bench.count_operations(model, [x] * times, layout="TN") for times in (1, 4))
    assert many.neurons[0].spikes_total == 4 * one.neurons[0].spikes_total and not many.warnings
    leaking = bench.count_operations(model, [x] * 4, layout="TN", reset=None)
    assert leaking.neurons[0].spikes_total != many.neurons[0].spikes_total
    assert "state is carried from batch to batch" in leaking.warnings[0]


@pytest.mark.parametrize("name", ["PSN", "MaskedPSN", "SlidingPSN"])
def test_spikingjellys_parallel_neurons_pay_for_their_matrices(name):
    neuron = library("spikingjelly.activation_based.neuron")
    options = {"PSN": {"T": T}, "MaskedPSN": {"k": 2, "T": T}, "SlidingPSN": {"k": 2}}[name]
    torch.manual_seed(0)
    made = getattr(neuron, name)(step_mode="m", **options) if name != "PSN" else neuron.PSN(**options)
    model = nn.Sequential(nn.Linear(10, 20), made, nn.Linear(20, 5)).eval()
    counts = bench.count_operations(model, [data(T, 2, 10)], layout="TN")
    [found] = counts.neurons
    assert (found.units, found.timesteps, found.spiking) == (20, T, True) and not counts.not_counted
    assert [layer.dense_macs_total for layer in counts.layers] == [T * 2 * 200, T * T * 2 * 20, T * 2 * 100]
    assert [layer.input_kind for layer in counts.layers] == ["analog", "analog", "binary"]


@pytest.mark.parametrize("cnf", [None, "ADD", "AND", "IAND"])
def test_spikingjellys_resnets_equal_brute_force(cnf):
    models = library("spikingjelly.activation_based.model")
    functional, neuron, surrogate = (
        library(f"spikingjelly.activation_based.{part}") for part in ("functional", "neuron", "surrogate")
    )
    torch.manual_seed(0)
    options = {"spiking_neuron": neuron.IFNode, "surrogate_function": surrogate.ATan(), "num_classes": 10}
    importlib.import_module("spikingjelly.activation_based.model.spiking_resnet")
    importlib.import_module("spikingjelly.activation_based.model.sew_resnet")
    if cnf is None:
        model = models.spiking_resnet.spiking_resnet18(**options)
    else:
        model = models.sew_resnet.sew_resnet18(cnf=cnf, **options)
    functional.set_step_mode(model, "m")
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.constant_(module.bias, 0.6)
    x = torch.rand(2, 1, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    counts = bench.count_operations(model, [x], layout="TN")
    functional.reset_net(model)
    assert sum(layer.effective_synops_total for layer in counts.layers) == pairs_of(model, x)
    functional.reset_net(model)
    assert sum(layer.dense_macs_total for layer in counts.layers) == brute(model, x)[1]
    assert not counts.not_counted and all(found.spiking for found in counts.neurons)


@pytest.mark.parametrize(
    "name",
    ["resnet18", "squeezenet1_0", "mobilenet_v3_small", "efficientnet_b0", "convnext_tiny", "swin_t", "vit_b_32"],
)
def test_torchvisions_models_equal_torchs_flop_counter_and_have_an_energy(name):
    models = importlib.import_module("torchvision.models")
    torch.manual_seed(0)
    model = getattr(models, name)(**({"image_size": 64} if name == "vit_b_32" else {}))
    x = torch.rand(1, 3, 64, 64)
    counts = bench.count_operations(model, [x])
    assert sum(layer.dense_macs_total for layer in counts.layers) == brute(model, x)[1]
    assert not counts.not_counted and not counts.warnings
    assert bench.estimate_energy(counts, "horowitz-fp32").total_pj_per_sample


def test_swin_has_the_dense_macs_that_fvcore_and_torch_find():
    model = importlib.import_module("torchvision.models").swin_t()
    counts = bench.count_operations(model, [torch.rand(1, 3, 64, 64)])
    assert sum(layer.dense_macs_total for layer in counts.layers) == 771_645_312
