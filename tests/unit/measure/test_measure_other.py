"""Work outside synapses and neurons: folding, pooling, sums, readout, encoders, and what cannot be counted."""

import copy
from collections import Counter as Multiset

import pytest
import torch
import torch.nn.functional as F
from support.measured import Model, column, images
from torch import nn

from bench.measure.counting.count import count_operations
from bench.measure.counting.outside import encoder_ops
from bench.models.build import build_model
from bench.plugins.registry import create


def test_batch_norm_folds_into_the_convolution_that_it_alone_reads():
    model = Model(lambda m, x: m.bn(m.conv(x)).relu(), conv=nn.Conv2d(2, 4, 3), bn=nn.BatchNorm2d(4))
    assert column(images(model, torch.rand(2, 2, 5, 5)), "norm") == {}


def test_batch_norm_is_charged_where_the_convolution_feeds_something_else():
    def run(m, x):
        y = m.conv(x)
        return m.bn(y) + y

    model = Model(run, conv=nn.Conv2d(2, 4, 3), bn=nn.BatchNorm2d(4))
    assert column(images(model, torch.rand(2, 2, 5, 5)), "norm") == {"bn": {"mul": 36, "add": 36}}


def test_batch_norm_is_charged_where_the_convolution_is_also_the_output():
    class Two(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.bn = nn.Conv2d(2, 4, 3), nn.BatchNorm2d(4)

        def forward(self, x):
            y = self.conv(x)
            return y, self.bn(y)

    assert column(images(Two(), torch.rand(2, 2, 5, 5)), "norm") == {"bn": {"mul": 36, "add": 36}}


def test_one_convolution_cannot_fold_two_batch_norms():
    model = Model(
        lambda m, x: m.a(m.conv(x)) + m.b(m.conv(-x)),
        conv=nn.Conv2d(2, 2, 1),
        a=nn.BatchNorm2d(2),
        b=nn.BatchNorm2d(2),
    )
    assert set(column(images(model, torch.rand(1, 2, 3, 3)), "norm")) == {"a", "b"}


def test_folding_really_is_free():
    conv, bn = nn.Conv2d(2, 4, 3), nn.BatchNorm2d(4)
    bn.running_mean, bn.running_var = torch.rand(4), torch.rand(4) + 0.5
    model = nn.Sequential(conv, bn).double().eval()
    folded = torch.nn.utils.fusion.fuse_conv_bn_eval(conv, bn)
    x = torch.rand(2, 2, 5, 5, dtype=torch.float64)
    assert torch.allclose(model(x), folded(x), rtol=1e-12, atol=1e-12)


def test_batch_norm_without_statistics_is_not_counted():
    model = nn.Sequential(nn.Conv2d(2, 4, 3), nn.BatchNorm2d(4, track_running_stats=False))
    assert images(model, torch.rand(2, 2, 5, 5)).not_counted == ["1: batch norm without running statistics"]


def residual_network(neuron):
    model = build_model("resnet18", neuron=neuron, in_channels=3, classes=10, image_size=8, weight_seed=0)
    return model, torch.rand(1, 3, 8, 8).expand(3, 1, 3, 8, 8)


def test_a_pre_activation_network_of_spikes_folds_every_norm():
    model, x = residual_network("lif")
    counts = count_operations(model, [x], input_kind="analog")
    assert column(counts, "norm") == {}
    assert column(counts, "residual")["layer1.0"] == {"add": 3 * 64 * 64}
    assert column(counts, "readout") == {"readout": {"add": 2 * 10, "mul": 10}}
    assert counts.not_counted == []


def test_of_an_analog_one_the_identity_shortcuts_are_multiplied():
    model, x = residual_network("relu")
    counts = count_operations(model, [x[:1]], input_kind="analog")
    # The norm behind a block without a convolution in its shortcut: that of the block that follows, or the last.
    behind = {"layer1.0": "layer1.1.bn1", "layer1.1": "layer2.0.bn1", "layer2.1": "layer3.0.bn1"}
    behind |= {"layer3.1": "layer4.0.bn1", "layer4.1": "bn1"}
    sizes = {"layer1.0": 64 * 64, "layer1.1": 64 * 64, "layer2.1": 128 * 16, "layer3.1": 256 * 4, "layer4.1": 512}
    assert column(counts, "norm") == {behind[block]: {"mul": size} for block, size in sizes.items()}


@pytest.mark.parametrize("neuron", ["lif", "relu"])
def test_what_is_said_to_fold_behind_sums_folds(neuron):
    """Fold every norm into what the sum before it is made of, by hand: the logits stay."""
    model, x = residual_network(neuron)
    torch.manual_seed(0)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            for tensor in (module.running_mean, module.running_var, module.weight, module.bias):
                tensor.data = torch.rand_like(tensor) + 0.5
    model = model.double().eval()
    x = x.double() if neuron == "lif" else x[:1].double()
    folded = copy.deepcopy(model)
    blocks = [block for stage in range(1, 5) for block in getattr(folded, f"layer{stage}")]
    after = [*(block.bn1 for block in blocks[1:]), folded.bn1]
    _fold(folded.conv1, blocks[0].bn1)
    shortcuts = []
    for block, norm in zip(blocks, after, strict=True):
        _fold(block.conv1, block.bn2)
        scale = norm.weight / (norm.running_var + norm.eps).sqrt()
        if isinstance(block.shortcut, nn.Identity):
            block.shortcut = Scaled(scale)  # of a spike: what is added where it arrives
            shortcuts.append(block.shortcut)
        else:
            block.shortcut.weight.data *= scale[:, None, None, None]
            block.shortcut.bias.data *= scale
        _fold(block.conv2, norm)
    with torch.no_grad():
        logits, expected = folded(x), model(x)
    assert torch.allclose(logits, expected, rtol=1e-9, atol=1e-9)
    assert expected.abs().max() > 0.1
    assert len(shortcuts) == 5 and all(each.spikes == (neuron == "lif") for each in shortcuts)


class Scaled(nn.Module):
    """Multiply every channel, and note whether all that came was spikes."""

    def __init__(self, scale):
        super().__init__()
        self.scale, self.spikes = scale, True

    def forward(self, x):
        self.spikes = self.spikes and bool(((x == 0) | (x == 1)).all())
        return x * self.scale[:, None, None]


def _fold(conv, norm):
    """Make a batch norm behind a convolution, or behind a sum with it, a part of the convolution."""
    scale = norm.weight / (norm.running_var + norm.eps).sqrt()
    conv.weight.data *= scale[:, None, None, None]
    bias = torch.zeros_like(norm.bias) if conv.bias is None else conv.bias
    conv.bias = nn.Parameter((bias - norm.running_mean) * scale + norm.bias)
    for tensor, value in ((norm.running_mean, 0.0), (norm.running_var, 1.0 - norm.eps)):
        tensor.fill_(value)
    norm.weight.data.fill_(1.0)
    norm.bias.data.fill_(0.0)


class Spikes(nn.Module):
    """Spikes of what it sees; with `scale`, no spikes."""

    def __init__(self, scale=1.0):
        super().__init__()
        self.scale = scale

    def forward(self, x):
        return (x > 0.5).float() if self.scale == 1.0 else (x > 0.5).float() * self.scale


@pytest.mark.parametrize(
    ("run", "norm"),
    [
        (lambda m, x: m.bn(m.a(x) + m.b(x)), {}),
        (lambda m, x: m.bn(m.a(x) + m.s(x)), {}),
        (lambda m, x: m.bn(m.a(x) + m.b(x) + m.s(x)), {}),
        (lambda m, x: m.bn(m.a(x) + m.a(x)), {}),
        (lambda m, x: m.bn(m.a(x) + x), {"mul": 18}),
        (lambda m, x: m.bn(m.a(x) + m.g(x)), {"mul": 18}),  # 3 s is no spike: its scale is another one
        (lambda m, x: m.bn(m.a(x) + x + x.abs()), {"mul": 18, "add": 18}),
        (lambda m, x: m.bn(m.s(x)), {"select": 18}),
        (lambda m, x: m.bn(m.s(x) + m.s(1 - x)), {"add": 18}),
        (lambda m, x: m.bn(x), {"mul": 18, "add": 18}),
        (lambda m, x: m.bn(y := m.a(x) + m.b(x)) + y, {"mul": 18, "add": 18}),  # the sum goes elsewhere too
        (lambda m, x: m.bn((y := m.a(x)) + m.b(x)) + y, {"mul": 18}),  # one term does
        (lambda m, x: m.bn(m.a(x) * m.b(x)), {"mul": 18, "add": 18}),
        (lambda m, x: m.bn(m.a(x) + m.one(x).expand(-1, 2, -1, -1)), {"mul": 18}),
        (lambda m, x: m.bn(m.one(x).expand(-1, 2, -1, -1)), {"mul": 18, "add": 18}),
        (lambda m, x: m.bn(m.a(x) + m.one(x)), {"mul": 18, "add": 18}),  # one channel is of no channel's scale
        (lambda m, x: m.bn((y := m.a(x)) + y.flip(1)), {"mul": 18, "add": 18}),  # each weight would take two scales
        (lambda m, x: m.bn(m.a(x).flip(1)), {}),
        (lambda m, x: m.wide(m.a(x).flatten(1)), {"mul": 18, "add": 18}),  # one weight would take nine scales
        (lambda m, x: m.bn(F.pixel_shuffle(m.four(x), 2)), {"mul": 32, "add": 32}),  # a copy in another order
        (lambda m, x: m.bn(m.a(x)[:, [0, 0]]), {"mul": 18, "add": 18}),  # one weight would take two scales
        (lambda m, x: m.bn(m.a(x).transpose(2, 3)), {}),
        (lambda m, x: m.bn(m.eighteen(x.flatten(1)).unflatten(1, (3, 3, 2)).movedim(-1, 1)), {}),
        (lambda m, x: m.bn(m.mixed(x)), {"mul": 18, "add": 18}),  # its weights are of columns, the scales of channels
        (lambda m, x: m.bn1(m.mixed(x).flatten(1, 2).transpose(1, 2)), {}),
        (lambda m, x: m.bn(m.a(x) + m.mixed(x)), {"mul": 18}),
        (lambda m, x: m.bn(m.eighteen(x.flatten(1)).unflatten(1, (2, 3, 3))), {}),
        (lambda m, x: m.bn(m.a(x) @ m.b(x)), {"mul": 18, "add": 18}),  # a product of activations has no weights
        (lambda m, x: (x, m.bn(y := m.a(x)), y), {"mul": 18, "add": 18}),
        (lambda m, x: (m.bn(m.a(x)), m.bn2(m.a(x[..., 1:]))), {"mul": 30, "add": 30}),  # two norms of one weight
    ],
)
def test_a_norm_behind_a_sum_folds_into_its_terms(run, norm):
    parts = {"a": nn.Conv2d(2, 2, 1), "b": nn.Conv2d(2, 2, 1), "one": nn.Conv2d(2, 1, 1)}
    parts |= {"four": nn.Conv2d(2, 8, 1, stride=2), "eighteen": nn.Linear(18, 18), "wide": nn.BatchNorm1d(18)}
    parts |= {"mixed": nn.Linear(3, 3), "bn1": nn.BatchNorm1d(3)}
    model = Model(run, bn=nn.BatchNorm2d(2), bn2=nn.BatchNorm2d(2), s=Spikes(), g=Spikes(3.0), **parts)
    total = Multiset()
    for cost in column(images(model, torch.rand(4, 2, 3, 3)), "norm").values():
        total.update(cost)
    assert total == norm


@pytest.mark.parametrize("skipped", [0, 1])
def test_a_norm_that_some_batch_goes_around_does_not_fold(skipped):
    class Around(nn.Module):
        """A convolution whose norm is left out where the input is large."""

        def __init__(self):
            super().__init__()
            self.conv, self.bn = nn.Conv2d(2, 2, 1), nn.BatchNorm2d(2)

        def forward(self, x):
            y = self.conv(x)
            return y if x.shape[0] > 2 else self.bn(y)

    batches = [torch.rand(2, 2, 3, 3), torch.rand(2, 2, 3, 3)]
    batches[skipped] = torch.rand(4, 2, 3, 3)
    counts = count_operations(Around(), batches, layout="N", input_kind="analog")
    assert column(counts, "norm") == {"bn": {"mul": 18 * 2 / 6, "add": 18 * 2 / 6}}


def test_a_folded_shift_is_the_bias_of_one_of_the_terms():
    parts = {name: nn.Conv2d(2, 2, 1, bias=False) for name in "ab"}
    model = Model(lambda m, x: m.bn(m.a(x) + m.b(x)), bn=nn.BatchNorm2d(2), **parts)
    found = images(model, torch.rand(4, 2, 3, 3))
    assert column(found, "bias") == {"a": {"add": 18}}


@pytest.mark.parametrize(
    ("moved", "still"),
    [
        (lambda s: s.flip(0), True),
        (lambda s: F.pad(s, (1, 1)), True),
        (lambda s: F.pad(s, (1, 1), value=1.0), True),
        (lambda s: torch.cat([s, s]), True),
        (lambda s: s[:, [0, 1, 0]], True),
        (lambda s: s.clone().double(), True),
        (lambda s: F.pad(s, (1, 1), value=7.0), False),
        (lambda s: torch.cat([s, torch.full_like(s, 0.3)]), False),
        (lambda s: torch.cat([s, torch.rand(2, 3, 4, 4)]), False),
        (lambda s: s.clone().copy_(torch.rand(2, 3, 4, 4)), False),
        (lambda s: s.index_copy(0, torch.tensor([0]), torch.rand(1, 3, 4, 4)), False),
        (lambda s: s.scatter(0, torch.zeros(1, 3, 4, 4, dtype=torch.long), 5.0), False),
        (lambda s: s.add(s), False),
        (lambda s: s.clone().mul_(3.0), False),
        (lambda s: s.max(0, keepdim=True).values, True),
        (lambda s: s.max(0, keepdim=True).indices.float(), False),
        (lambda s: torch.rsub(s, 1, 2), False),
        (lambda s: torch.rsub(s, 1), True),
        (lambda s: (~s.bool()).float(), True),
        (lambda s: (~s.int()).float(), False),
        (lambda s: (s.int() & s.flip(0).int()).float(), True),
        (lambda s: ((s * 5).int() & (s * 3).int()).float(), False),
        (lambda s: torch.heaviside(s - 0.5, torch.tensor(1.0)), True),
        (lambda s: torch.heaviside(s - 1.0, torch.tensor(0.5)), False),
        (lambda s: (s.bool() + s.flip(0).bool()).float(), True),
        (lambda s: (s.bool() + 1).float(), False),
        (lambda s: (s.bool() | True).float(), True),
        (lambda s: (s.int() | 2).float(), False),
        (lambda s: torch.cat([s, s.flip(0), torch.full_like(s, 0.5)]), False),
        (lambda s: torch.cat([s.long(), torch.full((2, 3, 4, 4), 5)]).float(), False),
        (lambda s: s.clone().index_put_((torch.tensor([0]),), s[1:]), True),
        (lambda s: s.clone().index_put_((torch.tensor([0]),), s[1:], accumulate=True), False),
        (lambda s: s.index_add(0, torch.tensor([0]), s[1:]), False),
        (lambda s: s.scatter_reduce(0, torch.zeros(1, 3, 4, 4, dtype=torch.long), s[1:], "sum"), False),
    ],
)
def test_what_is_still_a_spike_when_it_has_moved(moved, still):
    model = Model(lambda m, x: m.pool(moved(m.s(x))), s=Spikes(), pool=nn.MaxPool2d(2))
    assert list(column(images(model, torch.rand(2, 3, 4, 4)), "pooling")["pool"]) == ["logic" if still else "compare"]


@pytest.mark.parametrize(
    ("run", "expected"),
    [
        (lambda m, x: torch.zeros(2, 8).scatter_add(1, torch.zeros(2, 3, dtype=torch.long), x), {"add": 3}),
        (lambda m, x: torch.zeros(2, 8).index_add(1, torch.zeros(3, dtype=torch.long), x[:, :3]), {"add": 3}),
        (lambda m, x: x.index_add(1, torch.tensor([0]), torch.ones(2, 1)), {"add": 1}),
        (lambda m, x: x.scatter(1, torch.zeros(2, 3, dtype=torch.long), 1.5, reduce="add"), {"add": 3}),
        (lambda m, x: x.index_put((torch.tensor([0]),), torch.ones(8), accumulate=True), {"add": 4}),
        (lambda m, x: torch.zeros(4, 8).index_put((torch.tensor([0, 1]),), x[0, :1], accumulate=True), {"add": 8}),
        (lambda m, x: x.mean().amax(0) * x, {"add": 7.5, "mul": 8}),
    ],
)
def test_sums_into_places(run, expected):
    total = Multiset()
    for ops in images(Model(run), torch.rand(2, 8)).other_ops:
        total.update(ops.ops_per_sample)
    assert {word: count for word, count in total.items() if count} == expected


def test_events_that_are_added_up_are_graded():
    places = torch.tensor([0, 1, 0, 2])

    def run(m, x):
        return m.fc(torch.zeros(4, 2).index_put((places,), x.t(), accumulate=True).t())

    counts = images(Model(run, fc=nn.Linear(4, 3)), torch.ones(2, 4))
    assert (counts.layers[0].input_kind, counts.layers[0].graded_acs_total) == ("graded", 2 * 4 * 3)


def test_what_a_product_is_added_to_is_an_addition_and_no_bias():
    model = Model(lambda m, x: m.bn(torch.addmm(x.abs(), x, m.fc.weight)), bn=nn.BatchNorm1d(8), fc=nn.Linear(8, 8))
    counts = images(model, torch.rand(2, 8))
    assert column(counts, "residual") == {"forward": {"add": 8, "compare": 8}}
    assert column(counts, "norm") == {"bn": {"add": 8, "mul": 8}}


def test_pooling_of_spikes_is_logic():
    model = nn.Sequential(Spikes(), nn.MaxPool2d(2), nn.MaxPool2d(2), nn.AvgPool2d(2), nn.Flatten())
    found = column(images(model, torch.rand(2, 3, 8, 8)), "pooling")
    assert found == {"1": {"logic": 3 * 16 * 3}, "2": {"logic": 3 * 4 * 3}, "3": {"add": 3 * 3}}
    claimed = count_operations(
        nn.Sequential(nn.MaxPool2d(2)), [torch.ones(2, 3, 4, 4)], layout="N", input_kind="binary"
    )
    assert column(claimed, "pooling") == {"0": {"logic": 3 * 4 * 3}}
    graded = count_operations(nn.Sequential(nn.MaxPool2d(2)), [torch.ones(2, 3, 4, 4)], layout="N")
    assert column(graded, "pooling") == {"0": {"compare": 3 * 4 * 3}}


def test_pooling_adds_and_compares():
    model = nn.Sequential(nn.AvgPool2d(2), nn.MaxPool2d(2), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    found = column(images(model, torch.rand(2, 3, 8, 8)), "pooling")
    assert found == {"0": {"add": 3 * 16 * 3}, "1": {"compare": 3 * 4 * 3}, "2": {"add": 3 * 3}}


def test_pooling_to_a_larger_map_only_copies():
    assert column(images(nn.Sequential(nn.AdaptiveAvgPool2d(7)), torch.rand(1, 2, 1, 1)), "pooling") == {}
    uneven = column(images(nn.Sequential(nn.AdaptiveAvgPool2d((2, 1))), torch.rand(1, 1, 3, 1)), "pooling")
    assert uneven == {"0": {"add": 2}}  # windows of rows 0-1 and 1-2


def test_sums_and_products_between_layers():
    model = Model(lambda m, x: F.relu(m.a(x) + m.b(x)) * 0.3, a=nn.Conv2d(1, 2, 1), b=nn.Conv2d(1, 2, 1))
    found = images(model, torch.rand(3, 1, 4, 4))
    assert column(found, "residual") == {"forward": {"add": 32, "compare": 32, "mul": 32}}
    assert column(found, "bias") == {"a": {"add": 32}, "b": {"add": 32}}
    assert found.not_counted == []


def test_readout_is_charged_once_wherever_the_mean_is_taken():
    inside = Model(lambda m, x: m.fc(x).mean(0), fc=nn.Linear(4, 3))
    outside = Model(lambda m, x: m.fc(x), fc=nn.Linear(4, 3))
    x = torch.rand(5, 2, 4)
    expected = {"add": 4 * 3, "mul": 3}
    assert list(column(count_operations(inside, [x], layout="TN"), "readout").values()) == [expected]
    assert list(column(count_operations(outside, [x], layout="TN"), "readout").values()) == [expected]
    assert column(count_operations(inside, [x[:1]], layout="TN"), "readout") == {}
    assert column(count_operations(outside, [x[:1]], layout="TN"), "readout") == {}


@pytest.mark.parametrize(
    ("model", "named"),
    [
        (Model(lambda m, x: torch.cdist(x.flatten(2), torch.ones(1, 4, 9))), "forward: aten._cdist_forward"),
        (nn.Sequential(nn.Conv2d(2, 2, 1), Model(lambda m, x: torch.fft.rfft(x).real)), "1: aten._fft_r2c"),
        (nn.Sequential(nn.Conv2d(2, 2, 1), Model(lambda m, x: torch.i0(x))), "1: aten.i0"),
    ],
)
def test_work_that_nothing_covers_is_named(model, named):
    found = images(model, torch.rand(1, 2, 3, 3)).not_counted
    assert any(line.startswith(named) for line in found), found


def test_a_folded_batch_norm_is_the_bias_of_its_layer():
    x = torch.rand(2, 2, 5, 5)
    without, own = (nn.Sequential(nn.Conv2d(2, 4, 3, bias=bias), nn.BatchNorm2d(4)) for bias in (False, True))
    alone = images(nn.Sequential(nn.Conv2d(2, 4, 3, bias=False)), x)
    assert column(images(without, x), "bias") == column(images(own, x), "bias") == {"0": {"add": 4 * 9}}
    assert images(without, x).layers[0].has_bias and not alone.layers[0].has_bias
    assert column(alone, "bias") == {} and column(images(without, x), "norm") == {}


class LowRank(nn.Linear):
    """A linear layer with two more in its forward, as adapters have."""

    def __init__(self):
        super().__init__(9, 4)
        self.down, self.up = nn.Parameter(torch.rand(2, 9)), nn.Parameter(torch.rand(4, 2))

    def forward(self, x):
        return super().forward(x) + F.linear(F.linear(x, self.down), self.up)


def test_more_than_its_own_operation_in_a_layer_is_counted_too():
    model = nn.Sequential(nn.Flatten(), nn.Linear(18, 9), LowRank())
    found = images(model, torch.rand(3, 2, 3, 3))
    shapes = [(layer.name, layer.weight_shape, layer.dense_macs_total) for layer in found.layers]
    assert shapes == [("1", (9, 18), 486), ("2", (4, 9), 108), ("2.down", (2, 9), 54), ("2.up", (4, 2), 24)]
    assert found.not_counted == [] and column(found, "residual") == {"2": {"add": 4}}


def test_the_layer_that_sees_the_networks_input_is_marked():
    model = build_model("convnet", neuron="lif", in_channels=1, classes=10, image_size=8, weight_seed=0, stages=2)
    counts = count_operations(model, [torch.rand(1, 2, 1, 8, 8).expand(3, 2, 1, 8, 8)], input_kind="analog")
    assert [layer.network_input for layer in counts.layers] == [True, False, False]


def test_work_on_parameters_alone_is_free():
    conv = nn.utils.parametrizations.weight_norm(nn.Conv2d(2, 2, 1, bias=False))
    found = images(nn.Sequential(conv), torch.rand(1, 2, 3, 3))
    assert (found.other_ops, found.not_counted) == ([], [])
    assert found.layers[0].dense_macs_total == 36


def test_encoders_pay_for_what_they_compute():
    image = torch.rand(2, 3, 4, 4)

    def ops(name):
        found, unknown = encoder_ops(lambda images: create("encoder", name).encode(images, 5), image)
        assert unknown == []
        return [each.ops_per_sample for each in found]

    assert ops("direct") == []
    assert ops("rate") == [{"random": 5 * 48, "compare": 5 * 48}]
    # when a pixel is due, once: 1 - x, times T - 1, rounded, above 0; at each timestep: due now, and lit
    assert ops("latency") == [{"sub": 48, "shift": 48, "compare": 2 * 48 + 5 * 48, "logic": 5 * 48}]
