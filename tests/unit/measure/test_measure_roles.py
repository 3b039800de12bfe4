"""A module is counted as a whole where it runs as torch's own does; where somebody made it another, operator by it."""

import types

import pytest
import torch
import torch.nn.functional as F
from support.measured import Model, column, images
from torch import nn

from bench import estimate_energy
from bench.measure.counting.count import count_operations

X = torch.rand(3, 4, generator=torch.Generator().manual_seed(0)) + 0.1


class NormAct(nn.BatchNorm1d):
    """As timm has them."""

    def __init__(self, features, act):
        super().__init__(features)
        self.act = act

    def forward(self, x):
        return self.act(super().forward(x))


class Thresholded(nn.ReLU):
    def forward(self, x):
        return (x > 0).float()


class Fires(nn.Module):
    def forward(self, x):
        return (x > 0).float()


class Masked(nn.Conv2d):
    def _conv_forward(self, x, weight, bias):
        return super()._conv_forward(x * (x > 0.5), weight, bias)


def between(*middle):
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 5), *middle, nn.Linear(5, 2))


def totals(counts):
    ops = {}
    for each in counts.other_ops:
        for word, n in each.ops_per_sample.items():
            ops[each.column, word] = ops.get((each.column, word), 0) + n
    return ops, [layer.model_dump(exclude={"name"}) for layer in counts.layers], counts.not_counted


def test_a_norm_with_an_activation_is_the_two_of_them():
    one, two = images(between(NormAct(5, nn.SiLU())), X), images(between(nn.BatchNorm1d(5), nn.SiLU()), X)
    assert totals(one) == totals(two) and column(one, "norm") == {}
    assert column(one, "residual") == {"1.act": {"sigmoid": 5, "mul": 5}}
    energies = [estimate_energy(counts, "horowitz-fp32").total_pj_per_sample for counts in (one, two)]
    assert energies[0] == energies[1] is not None


def test_a_norm_with_a_layer_or_a_threshold_in_it_loses_neither():
    inner = images(between(NormAct(5, nn.Linear(5, 5))), X)
    assert [layer.dense_macs_total for layer in inner.layers] == [3 * 20, 3 * 25, 3 * 10]
    fires = images(between(NormAct(5, Fires())), X)
    assert fires.layers[1].input_kind == "binary" and column(fires, "norm") == {} and not fires.not_counted


@pytest.mark.parametrize("shared", [False, True])
def test_norms_that_are_functions_fold_where_modules_would(shared):
    def run(m, x):
        y = m.fc(x)
        norm = F.batch_norm(y, m.a.running_mean, m.a.running_var)
        return norm + y if shared else norm

    found = images(Model(run, fc=nn.Linear(4, 5, bias=False), a=nn.BatchNorm1d(5)), X)
    assert column(found, "norm") == ({"batch_norm": {"mul": 5, "add": 5}} if shared else {})
    assert found.layers[0].has_bias is not shared and not found.not_counted


def test_two_norms_that_are_functions_are_two_norms():
    def run(m, x):
        a, b = (F.batch_norm(m.fc(x), n.running_mean, n.running_var) for n in (m.a, m.b))
        return a + b

    parts = {"fc": nn.Linear(4, 5), "a": nn.BatchNorm1d(5), "b": nn.BatchNorm1d(5)}
    each = {"mul": 5, "add": 5}
    assert column(images(Model(run, **parts), X), "norm") == {"batch_norm": each, "batch_norm #2": each}


def test_what_makes_spikes_of_a_rectifier_makes_spikes():
    found = images(between(Thresholded()), X)
    assert found.layers[1].input_kind == "binary"
    assert [(neuron.name, neuron.spiking) for neuron in found.neurons] == [("1", True)]
    assert estimate_energy(found, "horowitz-fp32").layers[1].operation == "ac"


def test_a_forward_of_ones_own_is_counted():
    layer, a, b = nn.Linear(4, 3), torch.rand(4, 2), torch.rand(2, 3)
    layer.forward = types.MethodType(lambda s, x: F.linear(x, s.weight, s.bias) + x @ a @ b, layer)
    found = images(layer, X)
    assert sum(layer.effective_synops_total for layer in found.layers) == 78 == 3 * (12 + 8 + 6)


def test_a_convolution_of_another_kind_is_counted_by_what_it_reads():
    x = torch.rand(2, 1, 5, 5, generator=torch.Generator().manual_seed(0))
    found = images(Masked(1, 2, 3, bias=False), x)
    expected = F.conv2d((x > 0.5).double(), torch.ones(2, 1, 3, 3).double()).sum()
    assert sum(layer.effective_synops_total for layer in found.layers) == expected


def test_a_hook_that_changes_what_passes_is_work():
    net = between()
    net[0].register_forward_hook(lambda module, args, output: (output > 0).float())
    found = images(net, X)
    assert found.layers[1].input_kind == "binary" and found.layers[1].effective_synops_total == 2 * (net[0](X).sum())
    assert column(found, "residual") == {"forward": {"compare": 5}}
    net = between()
    net[1].register_forward_pre_hook(lambda module, args: (args[0] > 0).float())
    assert images(net, X).layers[1].input_kind == "binary"


def test_what_a_hook_of_the_network_does_to_its_input_is_work():
    net = between()
    net.register_forward_pre_hook(lambda module, args: (args[0] > 0.5).float())
    found = count_operations(net, [X], layout="N")
    assert found.layers[0].input_kind == "binary"
    assert found.layers[0].effective_synops_total == 5 * (X > 0.5).sum()
    assert column(found, "residual") == {"forward": {"compare": 4}}


def test_a_hook_that_overwrites_what_passes_is_work():
    def scaled(module, args, output):
        output.mul_(output.sigmoid())

    net = between()
    net[0].register_forward_hook(scaled)
    assert column(images(net, X), "residual") == {"forward": {"mul": 5, "sigmoid": 5}}


@pytest.mark.parametrize("at", [0, 1, 2, None])
def test_a_hook_that_looks_changes_no_count(at):
    def look(module, args, output):
        seen.append(float((output.transpose(0, 1) @ output).sum() + output.mean(0).sum() + (output > 0).sum()))

    def look_before(module, args):
        seen.append(args[0].sum())

    seen = []
    net = between(nn.BatchNorm1d(5), nn.Identity())
    plain = count_operations(net, [X, X[:2]], layout="N")
    module = net if at is None else net[at]
    hooks = [module.register_forward_hook(look), module.register_forward_pre_hook(look_before)]
    before = [dict(module._forward_hooks), dict(module._forward_pre_hooks)]
    assert count_operations(net, [X, X[:2]], layout="N") == plain and seen
    assert [dict(module._forward_hooks), dict(module._forward_pre_hooks)] == before
    for hook in hooks:
        hook.remove()
