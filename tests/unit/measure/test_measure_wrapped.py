"""One network in whatever it is wrapped: the same counts; and small networks whose operations are known by hand."""

import copy
import itertools
import warnings

import pytest
import torch
from support.brute_force import brute
from support.measured import Model, column
from torch import nn

from bench import estimate_energy
from bench.errors import BenchError
from bench.measure.counting.count import count_operations

X = torch.rand(3, 1, 8, 8, generator=torch.Generator().manual_seed(0))


def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.ReLU(), nn.Flatten(), nn.Linear(72, 5))


def called(net, x):
    values = dict(net.named_parameters()) | dict(net.named_buffers())
    return torch.func.functional_call(net, values, (x,))


def within(run):
    """A module that runs the network in its own way."""
    return lambda net: Model(lambda m, x: run(m.net, x), net=net)


WRAPPED = {
    "float64": lambda net: net.double(),
    "train mode": lambda net: net.train(),
    "torch.fx": torch.fx.symbolic_trace,
    "functional_call": within(called),
    "checkpoint": within(lambda net, x: torch.utils.checkpoint.checkpoint(net, x, use_reentrant=False)),
    "sample by sample": within(lambda net, x: torch.cat([net(sample[None]) for sample in x])),
    "DataParallel": nn.DataParallel,
    "torch.compile": lambda net: torch.compile(net, backend="eager"),
}
# It warns of what it does not trace, and where a warning is an error leaves torch in disorder.
SLOW = {"torch.compile": [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]}


@pytest.mark.parametrize("name", [pytest.param(name, marks=SLOW.get(name, ())) for name in WRAPPED])
def test_a_network_that_is_wrapped_is_counted_as_it_is(name):
    plain = count_operations(network(), [X], layout="N")
    model = WRAPPED[name](network())
    before = copy.deepcopy(model.state_dict())
    counts = count_operations(model, [X.double() if name == "float64" else X], layout="N")
    same = {"name", "input_shape"}
    assert [layer.model_dump(exclude=same) for layer in counts.layers] == [
        layer.model_dump(exclude=same) for layer in plain.layers
    ]
    assert [ops.ops_per_sample for ops in counts.other_ops] == [ops.ops_per_sample for ops in plain.other_ops]
    assert not counts.not_counted and not counts.warnings
    assert all(module.training for module in model.modules())
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_low_precision_equals_brute_force_in_its_own_precision(dtype):
    model = network().to(dtype).eval()
    counts = count_operations(model, [X.to(dtype)], layout="N")
    pairs, dense = brute(model, X.to(dtype))
    assert sum(layer.effective_synops_total for layer in counts.layers) == pairs
    assert sum(layer.dense_macs_total for layer in counts.layers) == dense


@pytest.mark.filterwarnings("ignore:The .grad attribute")  # of the weight, which is no leaf, when it is copied
def test_a_weight_norm_of_the_old_kind_is_work_on_weights():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch has a newer one
        model = nn.utils.weight_norm(nn.Linear(64, 5, bias=False))
    counts = count_operations(model, [X.flatten(1)], layout="N")
    assert [layer.dense_macs_total for layer in counts.layers] == [3 * 64 * 5]
    assert (counts.other_ops, counts.not_counted) == ([], [])


@pytest.mark.parametrize(
    "squeezed",
    [
        lambda y: y.flatten(1),
        lambda y: y.squeeze(-1).squeeze(-1),
        lambda y: y.squeeze(dim=(2, 3)),
        lambda y: y[:, :, 0, 0],
        lambda y: y.view(len(y), -1),
    ],
)
@pytest.mark.parametrize("samples", [1, 2, 6])
def test_a_norm_folds_behind_a_squeeze_whatever_the_batch(squeezed, samples):
    """Six samples are as many as there are channels."""
    parts = {"conv": nn.Conv2d(1, 6, 8), "bn": nn.BatchNorm1d(6), "fc": nn.Linear(6, 5)}
    model = Model(lambda m, x: m.fc(m.bn(squeezed(m.conv(x)))), **parts)
    counts = count_operations(model, [torch.rand(samples, 1, 8, 8) + 0.1], layout="N")
    assert column(counts, "norm") == {} and column(counts, "bias") == {"conv": {"add": 6}, "fc": {"add": 5}}
    assert [layer.effective_synops_per_sample for layer in counts.layers] == [6 * 64, 30]
    assert [layer.samples for layer in counts.layers] == [samples] * 2


def test_an_input_without_samples_is_refused_and_told_how_to_be_given():
    with pytest.raises(BenchError, match="as one sample; give it a first axis of 1"):
        count_operations(nn.Linear(12, 5), [torch.ones(12)], layout="N")
    assert count_operations(nn.Linear(12, 5), [torch.ones(1, 12)], layout="N").effective_synops_per_sample == 60


def linear(*sizes):
    """Linear layers without biases, each before a sigmoid."""
    pairs = itertools.pairwise(sizes)
    return nn.Sequential(*(part for a, b in pairs for part in (nn.Linear(a, b, bias=False), nn.Sigmoid())))


@pytest.mark.parametrize(
    ("model", "shape", "macs"),
    [
        (linear(20, 25, 25), (20,), [500, 625]),
        (linear(20, 20, 25, 25, 25), (20,), [400, 500, 625, 625]),
        (nn.Conv2d(1, 1, 3, bias=False), (1, 3, 3), [9]),
        (nn.Conv2d(1, 1, 3, bias=False), (1, 12, 12), [900]),
        (nn.Conv1d(5, 1, 5, bias=False), (5, 10), [150]),
        (nn.ConvTranspose2d(3, 4, 3), (3, 12, 12), [15_552]),
    ],
)
def test_small_networks_of_analog_values_by_hand(model, shape, macs):
    x = torch.ones(1, *shape)
    x[(0,) * x.dim()] = 5.0
    counts = count_operations(model, [x], layout="N")
    assert [layer.effective_synops_total for layer in counts.layers] == macs
    assert [layer.dense_macs_total for layer in counts.layers] == macs
    assert {layer.operation for layer in estimate_energy(counts, "horowitz-fp32").layers} == {"mac"}
    first = count_operations(model, [x], layout="N", input_kind="values").layers[0]
    assert (first.input_kind, first.effective_synops_total) == ("graded", macs[0])


def test_padding_is_in_the_dense_macs_and_not_in_the_valid_ones():
    model = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(576, 5))
    counts = count_operations(model, [torch.rand(2, 3, 12, 12)], layout="N")
    assert sum(layer.dense_macs_per_sample for layer in counts.layers) == 18_432
    assert sum(layer.dense_macs_valid_per_sample for layer in counts.layers) == 16_752


def test_pixels_that_are_whole_numbers_are_analog_unless_more_is_said():
    pixels = torch.randint(0, 17, (3, 10), generator=torch.Generator().manual_seed(0)).float()
    model = nn.Sequential(nn.Linear(10, 20), nn.Hardtanh(0, 1), nn.Linear(20, 5))
    found = estimate_energy(count_operations(model, [pixels], layout="N"), "horowitz-fp32").layers
    assert [layer.operation for layer in found] == ["mac", "mac"]
    assert [layer.pj_per_sample for layer in found] == pytest.approx([200 * 4.6, 100 * 4.6])


class ConvLSTM(nn.Module):
    """A recurrent cell of one convolution, on x [T, N, 1, H, W]."""

    def __init__(self):
        super().__init__()
        self.gates = nn.Conv2d(1 + 2, 8, 3, padding=1)

    def forward(self, x):
        y = c = x.new_zeros(x.shape[1], 2, *x.shape[3:])
        for step in x:
            i, f, o, g = self.gates(torch.cat([step, y], 1)).chunk(4, 1)
            c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
            y = torch.sigmoid(o) * torch.tanh(c)
        return y


def test_a_convolutional_lstm_equals_brute_force_and_has_an_energy():
    x = torch.rand(5, 3, 1, 6, 6, generator=torch.Generator().manual_seed(0))
    model = ConvLSTM()
    counts = count_operations(model, [x], layout="TN")
    pairs, dense = brute(model, x)
    [gates] = counts.layers
    assert (gates.effective_synops_total, gates.dense_macs_total, gates.timesteps) == (pairs, dense, 5)
    places = 5 * 2 * 6 * 6
    assert column(counts, "residual")["forward"] == {
        "sigmoid": 3 * places,
        "mul": 3 * places,
        "tanh": 2 * places,
        "add": places,
    }
    assert estimate_energy(counts, "horowitz-fp32").total_pj_per_sample and not counts.not_counted


class Fires(nn.Module):
    def forward(self, x):
        return (x > 0).float()


def looped(net):
    return Model(lambda m, sequence: torch.stack([m.net(step) for step in sequence]), net=net)


def written_for_ten(net):
    """Written for ten timesteps, and for no other number."""
    return Model(lambda m, sequence: torch.stack([m.net(sequence[t]) for t in range(10)]), net=net)


def transposed(net):
    return Model(lambda m, sequence: m.net(sequence.transpose(0, 1)).transpose(0, 1), net=net)


def folded(net):
    return Model(lambda m, sequence: m.net(sequence.flatten(0, 1)).unflatten(0, sequence.shape[:2]), net=net)


@pytest.mark.parametrize("wrapped", [looped, written_for_ten, transposed, folded, lambda net: net])
@pytest.mark.parametrize("samples", [3, 10])
def test_as_many_channels_as_timesteps_are_channels(wrapped, samples):
    torch.manual_seed(0)
    net, x = nn.Sequential(nn.Linear(6, 10), Fires(), nn.Linear(10, 4)), torch.rand(10, samples, 6)
    counts = count_operations(wrapped(net), [x], layout="TN")
    [neuron] = counts.neurons
    assert (neuron.units, neuron.timesteps, neuron.samples) == (10, 10, samples)
    spikes = (net[0](x) > 0).float()
    assert neuron.spikes_total == spikes.sum()
    if wrapped not in (transposed,):
        assert list(neuron.spikes_by_timestep) == spikes.sum((1, 2)).tolist()
    assert [layer.timesteps for layer in counts.layers] == [10, 10]
    assert [layer.dense_macs_total for layer in counts.layers] == [600 * samples, 400 * samples]


@pytest.mark.parametrize("samples", [3, 10])
def test_a_function_that_calls_the_network_once_per_timestep_is_as_a_network_that_does(samples):
    torch.manual_seed(0)
    net, x = nn.Sequential(nn.Linear(6, 10), Fires(), nn.Linear(10, 4)), torch.rand(10, samples, 6)
    here = count_operations(
        net, [x, x[:, 1:]], layout="TN", forward=lambda m, sequence: torch.stack([m(step) for step in sequence])
    )
    there = count_operations(looped(net), [x, x[:, 1:]], layout="TN")
    unnamed = {key: str(value).replace("net.", "") for key, value in there.model_dump().items()}
    assert {key: str(value) for key, value in here.model_dump().items()} == unnamed
    assert here.samples == 2 * samples - 1 and here.timesteps == 10


def test_a_sample_that_is_seen_twice_needs_the_work_of_both():
    net, x = network(), X
    once = count_operations(net, [x], layout="N")
    twice = count_operations(net, [x], layout="N", forward=lambda m, x: m(x) + m(x.flip(-1)))
    assert twice.samples == once.samples == 3
    for a, b in zip(twice.layers, once.layers, strict=True):
        assert (a.name, a.dense_macs_total) == (b.name, 2 * b.dense_macs_total)


def test_samples_first_a_step_is_a_step_too():
    torch.manual_seed(0)
    net, x = nn.Sequential(nn.Linear(6, 10), Fires()), torch.rand(3, 10, 6)
    model = Model(lambda m, sequence: torch.stack([m.net(step) for step in sequence.unbind(1)], 1), net=net)
    [neuron] = count_operations(model, [x], layout="NT").neurons
    assert (neuron.units, neuron.timesteps, neuron.spikes_total) == (10, 10, (net[0](x) > 0).sum())


def test_a_hook_of_ones_own_sees_what_passes_and_nothing_without_data():
    net, seen = nn.Sequential(nn.Linear(6, 10), Fires()), []
    net[0].register_forward_hook(lambda module, args, output: seen.append(output.sum().item()))
    count_operations(looped(net), [torch.rand(10, 3, 6)], layout="TN")
    count_operations(net, [torch.rand(3, 6)], layout="N")
    assert seen and all(isinstance(number, float) for number in seen)


def test_of_what_is_tried_without_data_nobody_is_warned():
    def warns(m, sequence):
        if sequence.shape[1] != 5:
            warnings.warn("a batch of another size", UserWarning, stacklevel=1)
        return torch.stack([m.net(step) for step in sequence])

    net = Model(warns, net=nn.Sequential(nn.Linear(6, 10), Fires()))
    [neuron] = count_operations(net, [torch.rand(10, 5, 6)], layout="TN").neurons
    assert (neuron.units, neuron.timesteps) == (10, 10)
    with pytest.warns(UserWarning, match="another size"):
        count_operations(net, [torch.rand(10, 4, 6)], layout="TN")


def test_a_network_for_one_size_of_batch_is_counted_as_it_is_called():
    place = {5: 0}
    net = Model(lambda m, x: m.net(x + place[len(x)]), net=nn.Sequential(nn.Linear(6, 10), Fires()))
    [neuron] = count_operations(net, [torch.rand(5, 6)], layout="N").neurons
    assert (neuron.units, neuron.samples) == (10, 5)


def test_as_many_maps_as_timesteps_are_maps():
    torch.manual_seed(0)
    net, x = (
        nn.Sequential(nn.Conv2d(1, 8, 3), Fires(), nn.Flatten(), nn.Linear(128, 8), Fires()),
        torch.rand(8, 3, 1, 6, 6),
    )
    first, last = count_operations(looped(net), [x], layout="TN").neurons
    assert (first.units, first.timesteps, last.units, last.timesteps) == (128, 8, 8, 8)


def test_what_sums_over_time_before_its_classes_has_one_pass_a_sample():
    net = Model(lambda m, sequence: m.net(sequence.mean(0)), net=nn.Sequential(nn.Linear(6, 10), Fires()))
    [neuron] = count_operations(net, [torch.rand(10, 3, 6)], layout="TN").neurons
    assert (neuron.units, neuron.timesteps) == (10, 1)
