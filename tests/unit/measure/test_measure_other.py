"""Work outside synapses and neurons: folding, pooling, sums, readout, encoders, and what cannot be counted."""

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


def test_a_pre_activation_block_pays_after_sums_and_folds_after_convolutions():
    model = build_model("resnet18", neuron="lif", in_channels=3, classes=10, image_size=8, weight_seed=0)
    x = torch.rand(1, 3, 8, 8).expand(2, 1, 3, 8, 8)
    counts = count_operations(model, [x], input_kind="analog")
    first_blocks = {f"layer{stage}.{block}.bn1" for stage in range(1, 5) for block in range(2)}
    assert set(column(counts, "norm")) == (first_blocks | {"bn1"}) - {"layer1.0.bn1"}
    assert column(counts, "norm")["layer1.1.bn1"] == {"mul": 2 * 64 * 64, "add": 2 * 64 * 64}
    assert column(counts, "residual")["layer1.0"] == {"add": 2 * 64 * 64}
    assert column(counts, "readout") == {"readout": {"add": 10, "mul": 10}}
    assert counts.not_counted == []


def test_pooling_adds_and_compares():
    model = nn.Sequential(nn.AvgPool2d(2), nn.MaxPool2d(2), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    found = column(images(model, torch.rand(2, 3, 8, 8)), "pooling")
    assert found == {"0": {"add": 3 * 16 * 3}, "1": {"compare": 3 * 4 * 3}, "2": {"add": 3 * 3}}


def test_pooling_to_a_larger_map_only_copies():
    assert column(images(nn.Sequential(nn.AdaptiveAvgPool2d(7)), torch.rand(1, 2, 1, 1)), "pooling") == {}
    uneven = column(images(nn.Sequential(nn.AdaptiveAvgPool2d((2, 1))), torch.rand(1, 1, 3, 1)), "pooling")
    assert uneven == {"0": {"add": 2}}  # windows of rows 0-1 and 1-2


def test_sums_and_products_between_layers():
    model = Model(lambda m, x: F.relu(m.a(x) + m.b(x)) * 0.5, a=nn.Conv2d(1, 2, 1), b=nn.Conv2d(1, 2, 1))
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
    assert ops("latency") == [{"sub": 48, "mul": 48, "compare": 2 * 48 + 2 * 5 * 48}]
