"""What weights go through before inputs meet them: exact values, gradients, schedules, and what is refused."""

import math

import pytest
import torch
from torch import nn

from bench.errors import ParameterError
from bench.measure.counting.count import count_operations
from bench.models import build_model, synaptic_parameters, weights_digest
from bench.models.synapses import put_synapses, synapses_of
from bench.neurons.quantised_relu import QuantisedReLU
from bench.plugins import registry
from bench.synapses.learned_step import LearnedStep, signed_levels, to_learned_levels
from bench.synapses.lsq import Lsq
from bench.synapses.pruned import Pruned
from bench.synapses.rounded import Rounded, rounded_by_output

DOUBLE = torch.float64


def convnet(synapse=None, neuron="relu", **neuron_params):
    return build_model(
        "convnet",
        neuron=neuron,
        neuron_params=neuron_params,
        in_channels=1,
        classes=10,
        image_size=8,
        width=4,
        stages=2,
        weight_seed=3,
        synapse=synapse,
    )


def test_learned_levels_and_both_gradients_are_the_published_ones():
    x = torch.tensor([-9.0, -0.6, 0.2, 0.7, 9.0], dtype=DOUBLE, requires_grad=True)
    step = torch.tensor(0.5, dtype=DOUBLE, requires_grad=True)
    y = to_learned_levels(x, step, (-4, 3), 5)
    assert y.tolist() == [-2.0, -0.5, 0.0, 0.5, 1.5]
    y.backward(torch.tensor([1.0, 2.0, 3.0, 4.0, 5.0], dtype=DOUBLE))
    assert x.grad.tolist() == [0.0, 2.0, 3.0, 4.0, 0.0]
    # round(v) - v inside: v = -1.2, 0.4, 1.4; the ends outside
    of_step = 1 * -4 + 2 * (-1 + 1.2) + 3 * (0 - 0.4) + 4 * (1 - 1.4) + 5 * 3
    assert step.grad.item() == pytest.approx(of_step / math.sqrt(5 * 3), rel=1e-12)


@pytest.mark.parametrize("bits", [2, 3, 4, 8])
def test_lsq_uses_no_more_levels_than_it_has_bits_and_begins_at_the_published_step(bits):
    weight = torch.randn(6, 5, 3, 3, dtype=DOUBLE, generator=torch.Generator().manual_seed(bits))
    synapse = Lsq(bits=bits, _weight=weight, _end=False)
    low, high = signed_levels(bits)
    step = 2 * weight.abs().mean().item() / math.sqrt(high)
    assert synapse.step().item() == pytest.approx(step)
    levels = synapse(weight) / synapse.step()
    assert torch.equal(levels.round(), (weight / synapse.step()).clamp(low, high).round())
    assert len(levels.round().unique()) <= 2**bits and (synapse.bits, low + high) == (bits, -1)


def test_lsq_begins_to_round_when_it_is_told_that_it_is_time():
    weight = torch.tensor([[0.3, -0.1], [0.2, 0.4]])
    synapse = Lsq(bits=2, start_fraction=0.5, _weight=weight, _end=False)
    synapse.advance(0.49, weight)
    assert torch.equal(synapse(weight), weight)
    synapse.advance(0.5, 10 * weight)
    assert synapse.step().item() == pytest.approx(2 * 2.5)
    assert torch.equal(synapse(10 * weight), torch.tensor([[5.0, -0.0], [0.0, 5.0]]))
    synapse.step.begin_at(4.0)
    synapse.advance(0.9, weight)
    assert synapse.step().item() == 4.0  # it begins once


def test_a_training_that_goes_on_does_not_begin_to_round_again():
    weight = torch.tensor([[0.3, -0.1], [0.2, 0.4]])
    first, second = (Lsq(bits=2, start_fraction=0.5, _weight=weight, _end=False) for _ in range(2))
    first.advance(0.6, weight)
    first.step.begin_at(0.125)
    second.load_state_dict(first.state_dict())
    second.advance(0.7, 100 * weight)
    assert second.step().item() == 0.125 and torch.equal(first(weight), second(weight))


@pytest.mark.parametrize("bits", [2, 3, 4, 8])
def test_rounding_takes_the_best_of_forty_ranges_for_each_output(bits):
    weight = torch.randn(5, 12, generator=torch.Generator().manual_seed(bits))
    found, high = rounded_by_output(weight, bits), 2 ** (bits - 1) - 1
    for row, got in zip(weight.tolist(), found.tolist(), strict=True):
        largest, errors = max(map(abs, row)), []
        for k in range(1, 41):
            step = largest * k / 40 / high
            errors.append(sum((max(-high, min(high, round(w / step))) * step - w) ** 2 for w in row))
        assert sum((a - b) ** 2 for a, b in zip(row, got, strict=True)) == pytest.approx(min(errors), rel=1e-4)


def test_a_step_is_learned_in_its_logarithm_so_that_no_update_takes_it_below_zero():
    step = LearnedStep(0.01)
    optimizer = torch.optim.Adam(step.parameters(), lr=0.1)
    before = step()
    before.backward()
    assert step.log_ratio.grad.item() == pytest.approx(0.01)  # ds / dlog s = s
    for _ in range(100):
        optimizer.step()
    assert 0 < step().item() == pytest.approx(0.01 * math.exp(-0.1 * 100), rel=1e-3)


def test_rounding_sees_what_a_replayed_update_made_of_the_weights():
    weight = torch.tensor([[0.33, -1.0]])
    synapse = Rounded(bits=2, _end=False).eval()
    assert synapse(weight).tolist() == [[0.0, -1.0]]
    synapse.train()
    weight.data.mul_(-2)  # without a new version, as a CUDA graph does it
    assert synapse.eval()(weight).tolist() == [[0.0, 2.0]]


def test_rounding_leaves_training_alone_and_follows_the_weights():
    weight = torch.tensor([[0.33, -1.0], [0.0, 0.0]])
    synapse = Rounded(bits=2, _end=False)
    assert synapse(weight) is weight
    synapse.eval()
    assert synapse(weight).tolist() == [[0.0, -1.0], [0.0, 0.0]]
    weight.mul_(-2)
    assert synapse(weight).tolist() == [[0.0, 2.0], [0.0, 0.0]]


def test_pruning_follows_the_published_ramp_and_takes_the_smallest():
    weight = torch.arange(1.0, 401.0).view(40, 10) * torch.tensor([1.0, -1.0] * 5)
    synapse = Pruned(sparsity=0.8, begin_fraction=0.2, end_fraction=0.6, _weight=weight, _end=False)
    shares = []
    for done in (0.0, 0.2, 0.3, 0.4, 0.5, 0.6, 1.0):
        synapse.advance(done, weight)
        used = synapse(weight)
        zeros = int((used == 0).sum())
        assert used.flatten()[zeros:].equal(weight.flatten()[zeros:])
        shares.append(zeros / 400)
    # 0.8 (1 - (1 - t)^3) for t = 0, 0, 1/4, 1/2, 3/4, 1, 1
    assert shares == [0, 0, 0.4625, 0.7, 0.7875, 0.8, 0.8]


def test_a_mask_is_kept_by_a_training_that_goes_on():
    weight = torch.arange(1.0, 201.0).view(20, 10)
    first, second = (Pruned(sparsity=0.8, _weight=weight, _end=False) for _ in range(2))
    first.advance(0.25, weight)
    second.load_state_dict(first.state_dict())
    second.advance(0.25, weight.flip(0))  # nothing more is wanted: the mask stays
    assert torch.equal(first.mask, second.mask) and int((first.mask == 0).sum()) == 140


def test_gradients_reach_the_weights_that_are_left_alone():
    weight = torch.tensor([[3.0, 0.1], [0.2, 4.0]], requires_grad=True)
    synapse = Pruned(sparsity=0.5, end_fraction=0.1, _weight=weight, _end=False)
    synapse.advance(1.0, weight)
    synapse(weight).sum().backward()
    assert weight.grad.tolist() == [[1.0, 0.0], [0.0, 1.0]]


@pytest.mark.parametrize(
    ("name", "params", "told"),
    [
        ("lsq", {"bits": 1}, "bits should be from 2 to 16, not 1"),
        ("lsq", {"start_fraction": 1.0}, "start_fraction should be from 0 to below 1, not 1.0"),
        ("rounded", {"end_bits": 40}, "end_bits should be from 2 to 16, not 40"),
        ("pruned", {"sparsity": 1.0}, "sparsity should be between 0 and 1, not 1.0"),
        ("pruned", {"begin_fraction": 0.5}, "0 <= begin < end <= 1, not 0.5, 0.5"),
    ],
)
def test_values_that_do_not_fit_are_refused(name, params, told):
    with pytest.raises(ParameterError, match=told):
        convnet({"name": name, **params})


def test_a_neuron_of_no_bits_is_refused():
    with pytest.raises(ParameterError, match="bits should be from 1 to 16, not 0"):
        registry.create("neuron", "quantised-relu", bits=0)


@pytest.mark.parametrize("name", sorted(registry.plugins("synapse")))
def test_networks_begin_with_the_same_weights_and_digest_with_a_synapse_and_without(name):
    plain, treated = convnet(), convnet({"name": name})
    assert weights_digest(plain) == weights_digest(treated)
    stored = [value for value in synaptic_parameters(treated).values() if value.dim() > 1]
    weights = [value for value in synaptic_parameters(plain).values() if value.dim() > 1]
    assert (
        sum(any(torch.equal(weight, value) for value in stored if value.shape == weight.shape) for weight in weights)
        == 3
    )
    assert len(list(synapses_of(treated))) == 3 and not list(synapses_of(plain))


def test_a_digest_tells_other_stored_weights_apart():
    one, other = convnet({"name": "lsq"}), convnet({"name": "lsq"})
    with torch.no_grad():
        next(synapses_of(other))[1].mul_(2)
    assert weights_digest(one) != weights_digest(other)


def test_ends_are_wider_and_not_pruned():
    assert [synapse.bits for synapse, _ in synapses_of(convnet({"name": "lsq", "bits": 3}))] == [8, 3, 8]
    assert [synapse.sparsity for synapse, _ in synapses_of(convnet({"name": "pruned"}))] == [0.0, 0.9, 0.0]
    whole = convnet({"name": "pruned", "ends": True})
    assert [synapse.sparsity for synapse, _ in synapses_of(whole)] == [0.9] * 3


@pytest.mark.parametrize("synapse", [{"name": "lsq", "bits": 2}, {"name": "rounded", "bits": 2}, {"name": "pruned"}])
def test_what_a_network_computes_is_what_its_used_weights_compute(synapse):
    treated, plain = convnet(synapse).eval(), convnet().eval()
    for each, weight in synapses_of(treated):
        each.advance(1.0, weight)
    for name, layer in plain.named_modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            with torch.no_grad():
                layer.weight.copy_(treated.get_submodule(name).weight)
    x = torch.randn(1, 4, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    assert torch.equal(treated(x), plain(x))


def test_bits_and_zeros_are_in_the_counts():
    model = convnet({"name": "lsq", "bits": 3}, "quantised-relu", bits=2).eval()
    x = torch.randn(1, 6, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    layers = count_operations(model, [x], layout="TN").layers
    assert [(layer.input_kind, layer.input_bits, layer.weight_bits) for layer in layers] == [
        ("analog", None, 8),
        ("analog", 2, 3),
        ("analog", 2, 8),
    ]
    assert [layer.zero_weights for layer in layers] == [
        int((module.weight == 0).sum()) for module in model.modules() if isinstance(module, nn.Conv2d | nn.Linear)
    ]


def test_what_is_not_quantised_has_no_bits():
    x = torch.randn(1, 6, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    layers = count_operations(convnet({"name": "pruned"}).eval(), [x], layout="TN").layers
    assert {(layer.input_bits, layer.weight_bits) for layer in layers} == {(None, None)}


def test_spikes_have_no_bits_of_their_own():
    x = torch.rand(4, 6, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    layers = count_operations(convnet({"name": "rounded"}, "lif").eval(), [x], layout="TN").layers
    assert [(layer.input_kind, layer.input_bits, layer.weight_bits) for layer in layers] == [
        ("analog", None, 8),
        ("binary", None, 8),
        ("binary", None, 8),
    ]


def test_sums_and_averages_of_quantised_numbers_are_wider_than_they():
    class Net(nn.Module):
        def __init__(self, pool):
            super().__init__()
            self.relu, self.pool, self.last = QuantisedReLU(bits=2), pool, nn.Linear(4, 2)

        def forward(self, x):
            return self.last(self.pool(self.relu(x[None])[0]).flatten(1))

    x = torch.randn(5, 1, 4, 4, generator=torch.Generator().manual_seed(0))
    bits = [
        count_operations(Net(pool), [x], layout="N").layers[0].input_bits for pool in (nn.MaxPool2d(2), nn.AvgPool2d(2))
    ]
    assert bits == [2, None]


def test_a_quantised_unit_costs_a_product_and_three_compares():
    x = torch.randn(1, 6, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    model = convnet(neuron="quantised-relu", bits=3).eval()
    assert count_operations(model, [x], layout="TN").neurons[0].ops_per_update == {"compare": 3.0, "mul": 1.0}


def test_a_quantised_unit_has_the_levels_that_it_says_and_the_step_of_a_normal():
    relu = QuantisedReLU(bits=3)
    assert relu.step_size().item() == pytest.approx(2 / math.sqrt(2 * math.pi) / math.sqrt(7))
    relu.step_size.begin_at(0.5)
    x = torch.tensor([-1.0, 0.2, 0.3, 1.3, 3.3, 9.0]).view(1, 1, -1)
    assert relu(x).flatten().tolist() == [0.0, 0.0, 0.5, 1.5, 3.5, 3.5]
    assert relu(x.bfloat16()).dtype == torch.bfloat16


def test_every_layer_of_a_network_gets_one():
    model = nn.Sequential(nn.Conv1d(1, 2, 3), nn.ConvTranspose2d(1, 2, 3), nn.Linear(2, 2))
    put_synapses(model, "rounded", {"bits": 4})
    assert [synapse.bits for synapse, _ in synapses_of(model)] == [8, 4, 8]
