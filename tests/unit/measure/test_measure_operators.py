"""Operators that are free, that have a cost by a stated rule, that may sum products, and that make spikes."""

import warnings

import pytest
import torch
import torch.nn.functional as F
from support.measured import Model, column, images
from torch import library, nn

from bench.measure.counting.count import count_operations

X = torch.rand(4, 6, generator=torch.Generator().manual_seed(0)) + 0.1
FEATURES = 6


def behind(run, outputs=FEATURES):
    """What `run` makes of the input, before a layer."""
    return Model(lambda m, x: m.fc(run(x)), fc=nn.Linear(outputs, 2, bias=False))


def quantised(zero_point, scale=0.1):
    return lambda x: torch.fake_quantize_per_tensor_affine(x, scale, zero_point, -8, 7)


@pytest.mark.parametrize(
    ("run", "cost"),
    [
        (lambda x: x**1, {}),
        (lambda x: x**0.5, {"sqrt": 6}),
        (lambda x: x * (x > 0).any(1, keepdim=True), {"compare": 6, "logic": 5, "select": 6}),
        (lambda x: x * x.any(1, keepdim=True), {"compare": 6, "logic": 5, "select": 6}),
        (lambda x: x - torch.aminmax(x, dim=1, keepdim=True).min, {"compare": 10, "sub": 6}),
        (lambda x: x.topk(1).values.expand(-1, 6), {"compare": 5}),
        (lambda x: x.topk(3).values.repeat(1, 2), {"compare": 10}),
        (lambda x: x.sort().values, {"compare": 15}),
        (quantised(0), {"mul": 12, "compare": 18}),
        (quantised(3), {"mul": 12, "compare": 18, "add": 6, "sub": 6}),
    ],
)
def test_what_operators_cost_by_hand(run, cost):
    found = images(behind(run), X)
    assert column(found, "residual").get("forward", {}) == cost
    assert (found.not_counted, found.coverage_fraction) == ([], 1.0)


@pytest.mark.parametrize(
    ("mode", "cost"), [("sum", {"add": 8}), ("mean", {"add": 8, "mul": 4}), ("max", {"compare": 8})]
)
def test_a_bag_of_embeddings_adds_its_rows(mode, cost):
    model = nn.Sequential(nn.EmbeddingBag(10, 4, mode=mode), nn.Linear(4, 2))
    found = images(model, torch.randint(0, 10, (5, 3), generator=torch.Generator().manual_seed(0)))
    assert column(found, "residual") == {"0": cost} and found.not_counted == []
    assert found.layers[0].input_kind == "analog"


def test_packing_a_sequence_is_free():
    def run(m, x):
        packed = nn.utils.rnn.pack_padded_sequence(x, [5, 3], batch_first=True)
        return m.rnn(packed)[1][0].squeeze(0)

    found = images(Model(run, rnn=nn.LSTM(3, 4, batch_first=True)), torch.rand(2, 5, 3))
    assert found.not_counted == []
    assert sum(layer.dense_macs_total for layer in found.layers) == 8 * 4 * 4 * (3 + 4)


@library.custom_op("bench_tests::lin", mutates_args=())
def lin(x: torch.Tensor, w: torch.Tensor) -> torch.Tensor:
    return x @ w.t()


@library.custom_op("bench_tests::act", mutates_args=())
def act(x: torch.Tensor) -> torch.Tensor:
    return x.sigmoid()


def test_an_operator_of_ones_own_that_takes_a_matrix_may_sum_products():
    weight = torch.rand(6, 6)
    found = images(behind(lambda x: lin(x, weight)), X)
    assert found.not_counted == found.synapses_not_counted == ["forward: bench_tests.lin"]
    assert found.coverage_fraction is None and found.dense_macs_missed_total is None
    found = images(behind(act), X)
    assert (found.not_counted, found.synapses_not_counted) == (["forward: bench_tests.act"], [])
    found = images(behind(lambda x: torch.atan2(x, weight[:4])), X)
    assert (found.not_counted, found.synapses_not_counted) == (["forward: aten.atan2"], [])


def test_an_operator_of_torch_that_is_not_known_and_takes_two_matrices_may_sum_products():
    image, places = X.reshape(1, 1, 4, 6), torch.zeros(1, 4, 6, 2)
    found = images(Model(lambda m, x: F.grid_sample(x, places, align_corners=False)), image)
    assert found.not_counted == found.synapses_not_counted == ["forward: aten.grid_sampler_2d"]
    found = images(nn.InstanceNorm2d(1, affine=True), image)
    assert found.synapses_not_counted == [] != found.not_counted


def test_a_product_of_whole_numbers_is_counted():
    x = torch.randint(-1, 2, (32, 32), generator=torch.Generator().manual_seed(0)).to(torch.int8)
    weight = torch.ones(32, 16, dtype=torch.int8)
    found = count_operations(Model(lambda m, x: torch._int_mm(x, weight)), [x], layout="N", input_kind="values")
    assert found.effective_synops_per_sample * 32 == int(x.ne(0).sum()) * 16
    assert found.synapses_not_counted == []


class Sparse(nn.Module):
    """A weight of few numbers, that is kept or not, or an input of few."""

    def __init__(self, way):
        super().__init__()
        self.way, weight = way, torch.eye(4, 6).to_sparse()
        if way == "kept":
            self.register_buffer("weight", weight)
        else:
            self.weight = weight

    def forward(self, x):
        return x.to_sparse() @ torch.ones(6, 4) if self.way == "input" else (self.weight @ x.t()).t()


@pytest.mark.parametrize("way", ["kept", "constant", "input"])
def test_sparse_products_are_counted_as_the_products_they_are(way):
    x = X.where(X > 0.6, 0.0)
    found = count_operations(Sparse(way), [x, x[:2]], layout="N")
    assert (found.not_counted, found.dense_macs_per_sample) == ([], 24)
    assert found.layers[0].effective_synops_total == 4 * int(x.ne(0).sum() + x[:2].ne(0).sum())
    assert found.layers[0].zero_weights == (0 if way == "input" else 20)


def marked(x, k=2):
    return torch.zeros(x.shape).scatter_(1, x.topk(k, 1).indices, 1.0)


@pytest.mark.parametrize(
    ("run", "inputs"),
    [
        (marked, 8),
        (lambda x: torch.zeros(x.shape).scatter(1, x.topk(2, 1).indices, torch.ones(x.shape)), 8),
        (lambda x: torch.zeros_like(x).scatter_(1, x.topk(2, 1).indices, 1.0), 8),
        (lambda x: F.one_hot(x.argmax(1), FEATURES).float(), 4),
        (lambda x: torch.eye(FEATURES)[x.argmax(1)], 4),
        (lambda x: torch.where(x > 0, 1.0, 0.0), 24),
        (lambda x: (x > 0).float().masked_fill(x > 10, 0.0), 24),
        (lambda x: (x > 0).float().gather(1, x.sort(1).indices), 24),
        (lambda x: torch.bernoulli(x.clamp(1, 1)), 24),
    ],
)
def test_what_is_marked_by_indices_chosen_or_drawn_is_spikes(run, inputs):
    layer = images(behind(run), X).layers[0]
    assert (layer.input_kind, layer.input_nonzero_total) == ("binary", inputs)


@pytest.mark.parametrize(
    "run", [lambda x: x.gather(1, x.sort(1).indices), lambda x: torch.where(x > 0, x[0, 0] * 0 + 1, 0.0)]
)
def test_values_stay_values_whatever_the_place(run):
    assert count_operations(behind(run), [X], layout="N").layers[0].input_kind == "analog"


class Draws(nn.Module):
    def forward(self, x):
        return torch.bernoulli(torch.sigmoid(x))


class Compares(nn.Module):
    def forward(self, x):
        return (torch.rand_like(x) < torch.sigmoid(x)).float()


@pytest.mark.parametrize("make", [Draws, Compares])
def test_a_neuron_that_draws_is_a_neuron(make):
    found = count_operations(nn.Sequential(nn.Linear(6, 5), make(), nn.Linear(5, 2)), [X], layout="N")
    [neuron] = found.neurons
    assert neuron.spiking and neuron.ops_per_update == {"sigmoid": 1, "random": 1, "compare": 1}
    assert found.layers[1].input_kind == "binary"


@pytest.mark.parametrize("imaginary", [False, True])
def test_complex_layers_are_named_and_nobody_is_warned(imaginary):
    x = torch.complex(torch.zeros(4, 6), X) if imaginary else torch.complex(X, X)
    model = nn.Sequential(nn.Linear(6, 5, bias=False, dtype=torch.cfloat))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = images(model, x)
    assert found.not_counted == found.synapses_not_counted and found.not_counted[0].startswith("0: aten.")
    assert found.dense_macs_missed_total == 4 * 4 * 30  # each product is four of real numbers
