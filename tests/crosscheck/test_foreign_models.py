"""Models of other libraries through the counter: their neurons, their state, their time, against brute force."""

import warnings

import pytest
import torch
from support.brute_force import pairs_of
from support.foreign_library import library
from support.measured import Model, column
from torch import nn

import bench

T, N = 4, 3


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


class OverTime(nn.Module):
    """A network of single steps, run along one axis of x."""

    def __init__(self, *parts, axis=0):
        super().__init__()
        self.network, self.axis = nn.Sequential(*parts), axis

    def forward(self, x):
        found = [self.network(step) for step in x.unbind(self.axis)]
        return torch.stack([y[0] if isinstance(y, tuple) else y for y in found], self.axis)


def test_samples_first_is_one_sample_of_all_its_timesteps():
    """Ten timesteps of 20 spikes that meet 5 outputs each: a thousand accumulates a sample."""
    snn = library("snntorch")
    model = OverTime(nn.Linear(20, 5, bias=False), snn.Leaky(beta=0.9, init_hidden=True, output=True), axis=1)
    counts = bench.count_operations(model, [torch.ones(5, 10, 20)], layout="NT", input_kind="binary")
    assert (counts.samples, counts.timesteps, counts.effective_synops_per_sample) == (5, 10, 1000)
    assert (counts.neurons[0].units, counts.neurons[0].timesteps) == (5, 10) and not counts.warnings


@pytest.mark.parametrize("options", [{"learn_beta": True}, {"learn_threshold": True}, {"reset_mechanism": "zero"}])
def test_snntorchs_options_change_no_kind(options):
    torch.manual_seed(0)
    leaky = library("snntorch").Leaky(beta=0.9, init_hidden=True, **options)
    counts = bench.count_operations(OverTime(nn.Linear(10, 20), leaky, nn.Linear(20, 5)), [data(T, N, 10)], layout="TN")
    [found] = counts.neurons
    assert (found.units, found.timesteps, found.state_words, found.spiking) == (20, T, 1, True)
    assert counts.layers[1].input_kind == "binary" and not counts.not_counted
    assert counts.layers[1].effective_synops_total == 5 * found.spikes_total > 0


def test_snntorchs_graded_spikes_are_graded():
    torch.manual_seed(0)
    leaky = library("snntorch").Leaky(beta=0.9, init_hidden=True, graded_spikes_factor=2.0)
    counts = bench.count_operations(OverTime(nn.Linear(10, 20), leaky, nn.Linear(20, 5)), [data(T, N, 10)], layout="TN")
    last, [found] = counts.layers[1], counts.neurons
    assert (last.input_kind, last.input_unit) == ("graded", 2.0)
    assert last.graded_acs_total == last.effective_synops_total == 5 * found.spikes_total > 0


def test_snntorchs_parallel_neuron_meets_a_matrix_whose_other_places_are_zero():
    torch.manual_seed(0)
    parallel = library("snntorch").LeakyParallel(20, 20)
    model, x = nn.Sequential(nn.Linear(10, 20), parallel, nn.Linear(20, 5)).eval(), data(T, N, 10)
    counts = bench.count_operations(model, [x], layout="TN")
    assert [layer.dense_macs_total for layer in counts.layers] == [T * N * macs for macs in (200, 400, 400, 100)]
    assert counts.layers[2].zero_weights == 20 * 19
    pairs = [layer.synops_without_zero_weights_total or layer.effective_synops_total for layer in counts.layers]
    assert sum(pairs) == pairs_of(model, x) and not counts.not_counted
    assert counts.layers[3].input_kind == "binary" and counts.neurons[0].spiking


def test_a_norm_for_each_timestep_folds_into_no_weight():
    snn = library("snntorch")
    torch.manual_seed(0)
    norms = snn.BatchNormTT1d(20, T)
    parts = {"fc": nn.Linear(10, 20), "norms": norms, "leaky": snn.Leaky(beta=0.9, init_hidden=True)}
    model = Model(lambda m, x: torch.stack([m.leaky(norm(m.fc(x))) for norm in m.norms]), **parts)
    counts = bench.count_operations(model, [data(N, 10)], layout="N")
    assert column(counts, "norm") == {f"norms.{at}": {"mul": 20, "add": 20} for at in range(T)}
    assert (counts.neurons[0].units, counts.neurons[0].timesteps) == (20, T)


@pytest.mark.parametrize(("name", "words"), [("LIF", 2), ("LSNN", 3), ("LIFAdEx", 3), ("LI", 2)])
def test_norses_layers_over_time_are_neurons(name, words):
    torch.manual_seed(0)
    norse = library("norse.torch")
    model = norse.SequentialState(nn.Linear(10, 20), getattr(norse, name)(), nn.Linear(20, 5)).eval()
    x = data(T, N, 10, scale=50.0)
    counts = bench.count_operations(model, [x], layout="TN")
    [found] = counts.neurons
    assert (found.units, found.timesteps, found.state_words, found.spiking) == (20, T, words, name != "LI")
    assert counts.layers[1].input_kind == ("analog" if name == "LI" else "binary")
    assert sum(layer.effective_synops_total for layer in counts.layers) == pairs_of(model, x)
    assert not counts.not_counted and not counts.warnings


class Unfolded(nn.Module):
    """A network that takes samples and timesteps in one axis, run on x [N, T, ...]."""

    def __init__(self, network):
        super().__init__()
        self.network = network

    def forward(self, x):
        return self.network(x.flatten(0, 1)).unflatten(0, x.shape[:2])


@pytest.mark.parametrize("known", ["batch_size", "num_timesteps"])
def test_sinabs_networks_of_folded_timesteps_have_them_where_they_are_unfolded(known):
    """Handed over folded, every timestep is a sample, and the totals stay."""
    convert = library("sinabs.from_torch").from_model
    torch.manual_seed(0)
    ann = nn.Sequential(nn.Linear(10, 20), nn.ReLU(), nn.Linear(20, 5), nn.ReLU())
    network = convert(ann, input_shape=(10,), **{known: {"batch_size": N, "num_timesteps": T}[known]}).spiking_model
    x = data(N, T, 10, scale=9.0)
    whole = bench.count_operations(Unfolded(network.eval()), [x] * 2, layout="NT")
    assert (whole.samples, whole.timesteps) == (2 * N, T)
    assert [(found.units, found.timesteps, found.state_words) for found in whole.neurons] == [(20, T, 1), (5, T, 1)]
    assert (whole.layers[1].input_kind, whole.layers[1].input_unit) == ("graded", 1.0)
    assert not whole.not_counted and not whole.warnings
    folded = bench.count_operations(network, [x.flatten(0, 1)] * 2, layout="N")
    assert (folded.samples, folded.timesteps) == (2 * N * T, 1)
    for one, other in zip(whole.layers, folded.layers, strict=True):
        assert one.effective_synops_total == other.effective_synops_total > 0
        assert one.graded_acs_total == other.graded_acs_total
    assert [found.spikes_total for found in whole.neurons] == [found.spikes_total for found in folded.neurons]


def test_a_nir_graph_that_norse_reads_is_counted_by_its_weights():
    """norse hands a layer of 10 inputs and 20 outputs on as it is, or turned; the weights decide."""
    nir, read = library("nir"), library("norse.torch.utils.import_nir").from_nir
    torch.manual_seed(0)
    weights = [torch.rand(20, 10).numpy(), torch.rand(5, 20).numpy()]
    one = torch.ones(20).numpy()
    graph = nir.NIRGraph.from_list(
        nir.Input({"input": torch.tensor([10]).numpy()}),
        nir.Linear(weights[0]),
        nir.LIF(tau=0.01 * one, r=one, v_leak=0 * one, v_threshold=0.1 * one),
        nir.Linear(weights[1]),
        nir.Output({"output": torch.tensor([5]).numpy()}),
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # nirtorch would rather be called otherwise
        model = read(graph).eval()
    x = data(N, 10)
    counts = bench.count_operations(model, [x], layout="N")
    assert sum(layer.effective_synops_total for layer in counts.layers) == pairs_of(model, x)
    assert sum(layer.dense_macs_total for layer in counts.layers) == N * (200 + 100)
