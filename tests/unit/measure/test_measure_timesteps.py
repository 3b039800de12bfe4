"""Counts timestep by timestep: what each holds by brute force, whatever the axes, and none where it cannot be told."""

import pytest
import torch
from support.measured import Model
from torch import nn

from bench.measure.counting.count import count_operations
from bench.models.build import build_model
from bench.neurons import LIF

T, N = 4, 3


def pairs(layer, x):
    """Pairs of a non-zero input and a weight: a layer of ones sees ones where its input is not zero."""
    weight, bias = torch.ones_like(layer.weight), None
    used = (x != 0).to(weight.dtype)
    with torch.no_grad():
        if isinstance(layer, nn.Linear):
            return round(float(nn.functional.linear(used, weight, bias).sum()))
        return round(float(nn.functional.conv2d(used, weight, bias, layer.stride, layer.padding).sum()))


def watched(model):
    """Have what layers see and neurons put out noted, by name: [T, N, ...] of every batch."""
    seen = {}

    def look(name, module, args, output):
        x = output if isinstance(module, LIF) else args[0]
        seen.setdefault(name, []).append(x if x.shape[0] == T else x.unflatten(0, (T, -1)))

    for name, module in model.named_modules():
        if isinstance(module, nn.Conv2d | nn.Linear | LIF):
            module.register_forward_hook(lambda *call, name=name: look(name, *call))
    return seen


def frames(x):
    """Samples and timesteps in one axis, as a convolution takes them."""
    return x.flatten(0, -4) if x.dim() > 4 else x


@pytest.mark.parametrize("name", ["convnet", "resnet18", "mlp"])
def test_every_timestep_is_brute_forces(name):
    model = build_model(name, neuron="lif", in_channels=2, classes=5, image_size=8, weight_seed=0)
    seen, modules = watched(model), dict(model.named_modules())
    torch.manual_seed(0)
    # The last two passes are those that are counted: before, some tell where samples are.
    counts = count_operations(model, [(torch.rand(T, n, 2, 8, 8) < 0.3).float() for n in (N, 2)], layout="TN")
    assert counts.layers and counts.neurons
    for layer in counts.layers:
        each = [sum(pairs(modules[layer.name], frames(batch[t])) for batch in seen[layer.name][-2:]) for t in range(T)]
        assert layer.effective_synops_by_timestep == each
        assert sum(layer.input_nonzero_by_timestep) == layer.input_nonzero_total
    for neuron in counts.neurons:
        assert neuron.spikes_by_timestep == [
            sum(int(batch[t].sum()) for batch in seen[neuron.name][-2:]) for t in range(T)
        ]
        assert neuron.firing_rate == pytest.approx(sum(neuron.firing_rate_by_timestep) / T)


class Step(nn.Module):
    """A threshold without a state."""

    def forward(self, x):
        return (x > 0).float()


def stepwise(m, x):
    return torch.stack([m.fc(m.act(m.conv(frame)).flatten(1)) for frame in x])


def folded(m, x):
    return m.fc(m.act(m.conv(x.flatten(0, 1))).flatten(1)).unflatten(0, x.shape[:2])


def unfolded(m, x):
    return m.fc(m.act(m.conv(x.flatten(0, 1))).unflatten(0, x.shape[:2]).flatten(2))


def parts():
    torch.manual_seed(1)
    return {"conv": nn.Conv2d(1, 2, 3), "act": Step(), "fc": nn.Linear(2 * 9, 4)}


@pytest.mark.parametrize("layout", ["TN", "NT"])
@pytest.mark.parametrize("samples", [3, T])
def test_the_same_whatever_the_axes_are(layout, samples):
    x = (torch.rand(T, samples, 1, 5, 5) < 0.4).float()
    given = x if layout == "TN" else x.transpose(0, 1)
    expected = [pairs(parts()["conv"], frames) for frames in x]
    for run in (folded, unfolded, *([stepwise] if layout == "TN" else [])):
        counts = count_operations(Model(run, **parts()), [given], layout=layout)
        assert counts.layers[0].effective_synops_by_timestep == expected, run
        assert [neuron.spikes_by_timestep for neuron in counts.neurons] == [counts.layers[1].input_nonzero_by_timestep]
        assert counts.neurons[0].spikes_by_timestep is not None


def exchanged(m, x):
    return m.fc(m.act(m.conv(x.transpose(0, 1).flatten(0, 1))).flatten(1))


def exchanged_whole(m, x):
    return m.fc(m.act(m.conv(x.transpose(0, 1).flatten(0, 1))).unflatten(0, (x.shape[1], x.shape[0])).flatten(2))


@pytest.mark.parametrize("layout", ["TN", "NT"])
@pytest.mark.parametrize("samples", [3, T])
def test_where_a_network_exchanges_axes_nothing_wrong_is_told(layout, samples):
    x = (torch.rand(T, samples, 1, 5, 5) < 0.4).float()
    given = x if layout == "TN" else x.transpose(0, 1)
    spikes = (parts()["conv"](x.flatten(0, 1)) > 0).unflatten(0, (T, samples))
    for run in (exchanged, exchanged_whole):
        counts = count_operations(Model(run, **parts()), [given], layout=layout)
        assert counts.layers[0].effective_synops_by_timestep is None
        assert counts.layers[1].input_nonzero_by_timestep in (None, [int(each.sum()) for each in spikes])
        assert counts.layers[1].input_nonzero_total == int(spikes.sum())


def test_time_that_a_network_makes():
    model = Model(lambda m, x: stepwise(m, torch.stack([x * t for t in range(T)])).sum(0), **parts())
    x = torch.rand(N, 1, 5, 5)
    conv = count_operations(model, [x], layout="N", input_kind="analog").layers[0]
    assert conv.timesteps == T and conv.effective_synops_by_timestep == [0, *[pairs(model.conv, x)] * 3]


def test_an_image_that_is_repeated_is_the_same_at_every_timestep():
    x = torch.rand(1, N, 1, 5, 5)
    conv = count_operations(Model(unfolded, **parts()), [x.expand(T, N, 1, 5, 5)], layout="TN").layers[0]
    assert conv.effective_synops_by_timestep == [pairs(parts()["conv"], x[0])] * T


def test_graded_inputs_have_their_accumulates_by_timestep():
    x = torch.randint(0, 4, (T, N, 6)).float()
    (fc,) = count_operations(
        Model(lambda m, x: m.fc(x), fc=nn.Linear(6, 5)), [x], layout="TN", input_kind="graded"
    ).layers
    assert fc.input_kind == "graded"
    assert fc.graded_acs_by_timestep == [5 * int(levels.sum()) for levels in x]


def test_pairs_of_attention_by_timestep():
    def attend(m, x):  # [T, N, tokens, 8] in two heads
        heads = x.unflatten(-1, (2, 4)).transpose(-2, -3)
        return heads @ heads.mT

    x = (torch.rand(T, N, 5, 8) < 0.4).float()
    (product,) = count_operations(Model(attend), [x], layout="TN").layers
    assert product.effective_synops_by_timestep == [int((frame.sum(-2) ** 2).sum()) for frame in x]


def test_where_time_is_gone_heads_and_tokens_are_no_timesteps():
    def attend(m, x):  # [T, N, T tokens, 8]: T heads of a sum over time
        heads = m.fc(x.sum(0).flatten(0, 1)).unflatten(0, (N, T)).unflatten(-1, (T, 2)).transpose(-2, -3)
        return heads @ heads.mT

    counts = count_operations(
        Model(attend, fc=nn.Linear(8, 2 * T)), [(torch.rand(T, N, T, 8) < 0.4).float()], layout="TN"
    )
    assert [layer.effective_synops_by_timestep for layer in counts.layers] == [None, None]


@pytest.mark.parametrize(
    "run",
    [
        lambda m, x: m.fc(m.fc(x)),  # twice a timestep
        lambda m, x: m.fc(x[:2]),  # at some timesteps alone
        lambda m, x: m.fc(x.mean(0)),
        lambda m, x: m.fc(x[:, :2]),  # for some samples alone
    ],
)
def test_what_is_no_sequence_of_timesteps_has_none(run):
    x = (torch.rand(T, N, 6) < 0.4).float()
    counts = count_operations(Model(run, fc=nn.Linear(6, 6)), [x], layout="TN")
    for layer in counts.layers:
        assert layer.effective_synops_by_timestep is None or len(layer.effective_synops_by_timestep) != T


def test_one_timestep_needs_no_list():
    (fc,) = count_operations(nn.Sequential(nn.Linear(6, 5)), [torch.rand(N, 6)], layout="N").layers
    assert fc.effective_synops_by_timestep is None
