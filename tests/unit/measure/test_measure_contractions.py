"""Every sum of products is counted where it happens, whatever module or function runs it."""

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from support.brute_force import BruteForce, brute
from support.measured import Model, spikes
from torch import nn

from bench.energy.estimate import estimate_energy
from bench.measure.counting.count import count_operations

TOKENS, FEATURES = 4, 6


class Weights(nn.Module):
    """A block that multiplies with a weight of its own, in one of the ways there are."""

    def __init__(self, way):
        super().__init__()
        self.way = way
        self.weight = nn.Parameter(torch.randn(FEATURES, FEATURES))
        self.kernel = nn.Parameter(torch.randn(FEATURES, FEATURES // 2, 3))

    def forward(self, x):
        if self.way == "F.linear":
            return F.linear(x, self.weight)
        if self.way == "@":
            return x @ self.weight
        if self.way == "@ of a slice":
            return torch.cat([x[..., :3] @ self.weight[:3, :2], x[..., 3:] @ self.weight[3:, 2:]], -1)
        if self.way == "from the left":
            return (self.weight[:TOKENS, :TOKENS] @ x).clone()
        if self.way == "einsum":
            return torch.einsum("nlf,gf->nlg", x, self.weight)
        if self.way == "addmm":
            return torch.addmm(self.weight[0], x.flatten(0, 1), self.weight).view_as(x)
        if self.way == "a matrix for each token":
            stack = self.weight[None] + torch.arange(TOKENS)[:, None, None]
            return (x.transpose(0, 1) @ stack).transpose(0, 1)
        if self.way == "F.conv1d":
            return F.conv1d(x.mT, self.kernel, padding=1, groups=2).mT
        assert self.way == "F.unfold"
        patches = F.unfold(x.unsqueeze(1), (2, FEATURES))  # [N, 2 * FEATURES, TOKENS - 1]
        found = self.weight[:, :2].repeat(1, FEATURES) @ patches
        return F.pad(found.mT, (0, 0, 0, 1))


class Attention(nn.Module):
    """Products of activations with one another, of heads or not, in torch's fused form or not."""

    def __init__(self, way):
        super().__init__()
        self.way = way

    def forward(self, x):
        if self.way == "matmul":
            return x @ x.mT @ x / TOKENS
        heads = x.unflatten(-1, (2, 3)).transpose(1, 2)
        return F.scaled_dot_product_attention(heads, heads, heads).transpose(1, 2).flatten(2)


class Recurrent(nn.Module):
    """A recurrent layer of torch, or a cell that is stepped."""

    def __init__(self, make):
        super().__init__()
        self.layer = make(FEATURES, FEATURES) if "Cell" in make.__name__ else make(FEATURES, FEATURES, batch_first=True)

    def forward(self, x):
        if not isinstance(self.layer, nn.RNNCellBase):
            return self.layer(x)[0]
        state, found = None, []
        for step in x.unbind(1):
            state = self.layer(step, state)
            found.append(state[0] if isinstance(state, tuple) else state)
        return torch.stack(found, 1)


class Spike(nn.Module):
    def forward(self, x):
        return (x > 0.1).float()


WAYS = ["F.linear", "@", "@ of a slice", "from the left", "einsum", "addmm", "a matrix for each token", "F.conv1d"]
BLOCKS = [
    *(lambda way=way: Weights(way) for way in [*WAYS, "F.unfold"]),
    *(lambda way=way: Attention(way) for way in ("matmul", "sdpa")),
    *(lambda kind=kind: Recurrent(kind) for kind in (nn.RNN, nn.LSTM, nn.GRU, nn.RNNCell, nn.LSTMCell, nn.GRUCell)),
    lambda: nn.Linear(FEATURES, FEATURES),
    lambda: nn.utils.parametrizations.weight_norm(nn.Linear(FEATURES, FEATURES)),
    lambda: nn.Conv1d(TOKENS, TOKENS, 3, padding=1, groups=2),
    lambda: nn.ConvTranspose1d(TOKENS, TOKENS, 3, padding=1),
    lambda: nn.TransformerEncoderLayer(FEATURES, 2, 8, batch_first=True),
    lambda: Spike(),
    lambda: nn.LayerNorm(FEATURES),
]


def check(model, x):
    counts = count_operations(model, [x], layout="N", input_kind="values")
    pairs, dense = brute(model, x)
    assert sum(layer.effective_synops_total for layer in counts.layers) == pairs
    assert sum(layer.dense_macs_total for layer in counts.layers) == dense
    assert not counts.not_counted and not counts.warnings
    return counts


@pytest.mark.parametrize("make", BLOCKS)
def test_each_way_equals_brute_force(make):
    torch.manual_seed(0)
    check(make(), spikes(3, TOKENS, FEATURES))


@settings(max_examples=40, deadline=None)
@given(st.lists(st.sampled_from(BLOCKS), min_size=2, max_size=5), st.integers(1, 4), st.integers(0, 99))
def test_random_networks_equal_brute_force(blocks, samples, seed):
    torch.manual_seed(seed)
    check(nn.Sequential(*(block() for block in blocks)), spikes(samples, TOKENS, FEATURES))


def test_a_weight_that_is_used_twice_is_one_layer_and_two_weights_of_a_shape_are_two():
    model = Model(
        lambda m, x: F.linear(F.linear(F.linear(x, m.a.weight), m.b.weight), m.a.weight),
        a=nn.Linear(6, 6, bias=False),
        b=nn.Linear(6, 6, bias=False),
    )
    counts = check(model, torch.rand(3, 6))
    assert [(layer.name, layer.timesteps) for layer in counts.layers] == [("a", 2), ("b", 1)]


def test_the_weight_that_is_used_decides_and_not_what_the_module_says():
    layer = nn.Linear(5, 20, bias=False)
    layer.weight = nn.Parameter(torch.ones(5, 20))
    [found] = count_operations(layer, [torch.ones(2, 20)]).layers
    assert (found.effective_synops_total, found.dense_macs_total, found.output_shape) == (200, 200, (5,))
    conv = nn.Conv2d(1, 8, 3, bias=False)
    conv.weight = nn.Parameter(torch.ones(4, 1, 3, 3))
    [found] = count_operations(conv, [torch.ones(2, 1, 5, 5)]).layers
    assert found.effective_synops_total == found.dense_macs_total == 648


def product(left, right, **said):
    """Count left x right, each behind something that makes it what it is."""
    makes = {"spike": Spike(), "value": nn.ReLU(), "summed": Model(lambda m, x: (x > 0.1).float() + (x > 0.6).float())}
    model = Model(lambda m, x: m.left(x) @ m.right(x).mT, left=makes[left], right=makes[right])
    return count_operations(model, [torch.rand(3, 4, 5) - 0.2], layout="N", **said)


@pytest.mark.parametrize(
    ("left", "right", "kinds", "operation"),
    [
        ("spike", "spike", ("binary", "binary"), "ac"),
        ("spike", "value", ("binary", "analog"), "ac"),
        ("value", "spike", ("binary", "analog"), "ac"),
        ("summed", "value", ("graded", "analog"), "ac"),
        ("summed", "spike", ("binary", "graded"), "ac"),
        ("value", "value", ("analog", "analog"), "mac"),
    ],
)
def test_products_of_two_activations_are_priced_by_what_both_are(left, right, kinds, operation):
    counts = product(left, right)
    [layer] = counts.layers
    assert (layer.input_kind, layer.second_kind) == kinds and layer.kind == "matmul"
    [priced] = estimate_energy(counts, "horowitz-fp32").layers
    expected = layer.dense_macs_per_sample if operation == "mac" else layer.effective_synops_per_sample
    if "graded" in kinds[:1]:
        expected = layer.graded_acs_total / layer.samples
        assert expected > layer.effective_synops_per_sample
    assert (priced.operation, priced.operations_per_sample) == (operation, expected)


def test_a_bilinear_layer_meets_its_weights_where_both_inputs_are_not_zero():
    a, b = spikes(3, 4), spikes(3, 5).flip(0)
    model = Model(lambda m, x: m.layer(x[:, :4], x[:, 4:]), layer=nn.Bilinear(4, 5, 7))
    [layer] = count_operations(model, [torch.cat([a, b], 1)], layout="N", input_kind="binary").layers
    pairs = sum(int(x.sum() * y.sum()) for x, y in zip(a, b, strict=True))
    assert (layer.effective_synops_total, layer.dense_macs_total) == (7 * pairs, 7 * 3 * 4 * 5)


@pytest.mark.parametrize(("make", "pairs"), [(nn.LSTMCell, 600), (nn.RNNCell, 150), (nn.GRUCell, 450)])
def test_recurrent_cells_meet_their_weights_with_input_and_state(make, pairs):
    model = Model(lambda m, x: m.cell(x, (x[:, :5], x[:, :5]) if make is nn.LSTMCell else x[:, :5]), cell=make(25, 5))
    counts = check(model, torch.ones(1, 25))
    assert sum(layer.effective_synops_total for layer in counts.layers) == pairs


def test_work_on_weights_alone_is_free():
    conv = nn.utils.parametrizations.spectral_norm(nn.Linear(10, 10, bias=False))
    counts = count_operations(conv, [torch.ones(1, 10)], input_kind="binary")
    assert sum(layer.effective_synops_total for layer in counts.layers) == 100
    assert (counts.other_ops, counts.not_counted) == ([], [])
    lazy = nn.Sequential(nn.LazyLinear(10), nn.ReLU())
    first, second = (count_operations(lazy, [torch.ones(2, 4)], layout="N") for _ in range(2))
    assert first == second


class Experts(nn.Module):
    """Each row goes to one of two experts, or to none."""

    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Linear(4, 3, bias=False), nn.Linear(4, 3, bias=False)

    def forward(self, x):
        y = x.new_zeros(len(x), 3)
        for at, expert in ((0, self.a), (1, self.b)):
            chosen = x[:, 0] == at
            y[chosen] = expert(x[chosen])
        return y


def test_what_some_samples_meet_is_counted_by_rows():
    x = torch.ones(5, 4)
    x[:, 0] = torch.tensor([0.0, 0.0, 1.0, 2.0, 1.0])
    counts = count_operations(Experts(), [x, x[:2]], layout="N", input_kind="graded")
    a, b = counts.layers
    assert (a.dense_macs_total, b.dense_macs_total) == (4 * 12, 2 * 12)
    assert (a.timesteps, b.timesteps) == (4 / 7, 2 / 7)
    assert a.input_density_fraction == 0.75 and b.input_density_fraction == 1.0


def test_a_branch_that_only_a_later_batch_takes_is_counted():
    def run(m, x):
        return m.a(x) if x.mean() < 10 else torch.softmax(m.b(x), -1) @ m.a.weight

    model = Model(run, a=nn.Linear(10, 5), b=nn.Linear(10, 5))
    batches = [torch.rand(3, 10), torch.rand(1, 10) + 20]
    counts = count_operations(model, batches, layout="N")
    assert {layer.name: layer.timesteps for layer in counts.layers} == {"a": 0.75, "b": 0.25, "a #2": 0.25}
    bias = {ops.name: ops.ops_per_sample for ops in counts.other_ops if ops.column == "bias"}
    assert bias == {"a": {"add": 3.75}, "b": {"add": 1.25}}
    assert counts.not_counted == []


def test_zero_weights_are_left_out_in_a_figure_of_their_own():
    torch.manual_seed(0)
    linear, conv = nn.Linear(10, 10, bias=False), nn.Conv2d(4, 6, 3, padding=1, stride=2, groups=2, bias=False)
    for layer in (linear, conv):
        layer.weight.data[torch.rand_like(layer.weight) < 0.5] = 0.0
    [found] = count_operations(linear, [torch.ones(1, 10)], input_kind="binary").layers
    assert (found.effective_synops_total, found.synops_without_zero_weights_total) == (
        100,
        int(linear.weight.ne(0).sum()),
    )
    x = spikes(3, 4, 7, 7)
    [found] = count_operations(conv, [x], input_kind="binary").layers
    with torch.no_grad(), BruteForce() as pairs:
        conv(x)
    assert found.synops_without_zero_weights_total == pairs.pairs < found.effective_synops_total
    assert found.zero_weights == int(conv.weight.eq(0).sum())
    whole = count_operations(nn.Linear(10, 10), [torch.ones(1, 10)], input_kind="binary").layers[0]
    assert (whole.zero_weights, whole.synops_without_zero_weights_total, whole.weight_kind) == (0, None, None)


def test_weights_of_one_magnitude_an_output_are_named():
    layer = nn.Linear(10, 4, bias=False)
    layer.weight.data = torch.tensor([0.3, 0.5, 1.0, 2.0])[:, None] * layer.weight.data.sign()
    assert count_operations(layer, [torch.ones(1, 10)]).layers[0].weight_kind == "binary"
    layer.weight.data[1, 3] = 0.0
    assert count_operations(layer, [torch.ones(1, 10)]).layers[0].weight_kind == "ternary"
