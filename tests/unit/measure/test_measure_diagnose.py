"""Diagnostics with numbers that can be worked out by hand, and the promise that nothing is left behind."""

import copy

import pytest
import torch
from torch import nn

from bench.errors import DataError, RunFailedError
from bench.measure.diagnose import SAMPLES, diagnose
from bench.measure.tally import BINS, BINS_PER_UNIT
from bench.models.build import build_model
from bench.neurons import CLIF, LIF
from bench.neurons.base import Neuron
from bench.neurons.relu import ReLU

T = 4
# One unit, tau = 2: u = 0.25, 0.25, 0.25, then 0.75. Only the last is within half of the threshold 1.
CURRENT = [0.25, 0.125, 0.125, 0.625]


class Readout(nn.Module):
    """A neuron, and two classes that weigh its one unit with +1 and -1."""

    def __init__(self, neuron, units=1):
        super().__init__()
        self.neuron = neuron
        self.linear = nn.Linear(units, 2, bias=False)
        with torch.no_grad():
            self.linear.weight.copy_(torch.tensor([[1.0], [-1.0]]).expand(2, units))

    def forward(self, x):
        return self.linear(self.neuron(x))


def sequence(*samples):
    """Currents of one unit per sample, as x [T, N, 1]."""
    return torch.tensor(samples).T.unsqueeze(-1)


def labels(count):
    return torch.zeros(count, dtype=torch.int64)


def one_layer(model, x):
    found = diagnose(model, [(x, labels(x.shape[1]))])
    assert (found.samples, found.timesteps) == (x.shape[1], x.shape[0])
    [layer] = found.layers
    return layer


def test_the_gradient_through_time_of_lif_below_threshold_halves_with_each_step():
    # Logits are 0, so d loss / d spike = (1/2 - 1) * 1 + 1/2 * -1 = -1; the surrogate passes it at T alone, and
    # d u[T] / d x[t] = 0.5 ** (T - t).
    layer = one_layer(Readout(LIF(tau=2.0)), sequence(CURRENT))
    assert layer.gradient_norm_by_timestep == [0.125, 0.25, 0.5, 1.0]
    assert layer.gradient_relative_by_timestep == [0.125, 0.25, 0.5, 1.0]
    assert (layer.name, layer.neuron, layer.units) == ("neuron", "lif", 1)


def test_the_gradient_is_the_root_mean_square_over_samples_whatever_the_batches():
    silent = [0.0] * T  # far from the threshold: no gradient
    x = sequence(CURRENT, silent, silent, silent)
    layer = one_layer(Readout(LIF(tau=2.0)), x)
    assert layer.gradient_norm_by_timestep == [0.0625, 0.125, 0.25, 0.5]
    split = diagnose(Readout(LIF(tau=2.0)), [(x[:, :1], labels(1)), (x[:, 1:], labels(3))])
    assert split.layers == [layer]


def test_the_gradient_is_the_norm_over_the_layer_and_of_the_neurons_own_path():
    class Shortcut(Readout):
        def forward(self, x):
            x = x * self.linear.weight[0, 0]  # 1; x is now part of the graph, as behind a convolution
            return self.linear(self.neuron(x)) + 5 * self.linear(x)

    # Two units with the same current: the norm of (-p, -p) is sqrt(2) p.
    x = sequence(CURRENT).expand(-1, -1, 2).contiguous()
    plain = one_layer(Readout(LIF(), units=2), x)
    assert plain.gradient_norm_by_timestep == pytest.approx([value * 2**0.5 for value in (0.125, 0.25, 0.5, 1.0)])
    other = one_layer(Shortcut(LIF(), units=2), x)
    # Logits at T: +-5 * (0.625 * 2); the neuron's own path still ends with 0.5 ** (T - t).
    assert other.gradient_relative_by_timestep == pytest.approx([0.125, 0.25, 0.5, 1.0])


def test_no_gradient_anywhere_has_no_relative_values():
    layer = one_layer(Readout(LIF()), sequence([0.0] * T))
    assert layer.gradient_norm_by_timestep == [0.0] * T and layer.gradient_relative_by_timestep is None
    frozen = Readout(LIF()).requires_grad_(False)
    assert one_layer(frozen, sequence(CURRENT)).gradient_norm_by_timestep == [0.125, 0.25, 0.5, 1.0]


def test_dead_and_saturated_units():
    # Of three units the first never fires, the second always, the third in one sample only.
    x = torch.tensor([[[0.0, 9.0, 0.0], [0.0, 9.0, 9.0]]]).expand(T, 2, 3)
    layer = one_layer(Readout(LIF(), units=3), x)
    assert (layer.dead_units, layer.saturated_units, layer.units) == (1, 1, 3)
    assert (layer.dead_fraction, layer.saturated_fraction) == (1 / 3, 1 / 3)


def test_membrane_counts_by_hand():
    layer = one_layer(Readout(LIF(tau=2.0)), sequence(CURRENT, [4.5, 0.0, 0.0, 0.0], [-3.0, 0.0, 0.0, 0.0]))
    # u - 1: -0.75 three times, -0.25 | 3.5 -> v = 3.5; 0.75 -> v = 0.75; -0.625; -0.8125 | -4, -2.5, -1.75, -1.375
    values = torch.tensor([-0.75, -0.75, -0.75, -0.25, 3.5, 0.75, -0.625, -0.8125, -4, -2.5, -1.75, -1.375])
    membrane = layer.membrane
    assert (membrane.updates, membrane.updates_below, membrane.updates_above) == (12, 1, 1)
    assert membrane.mean == pytest.approx(float(values.mean()))
    assert membrane.standard_deviation == pytest.approx(float(values.std(correction=0)))
    filled = {index: count for index, count in enumerate(membrane.histogram) if count}
    assert filled == {18: 3, 22: 1, 30: 1, 19: 1, 17: 1, 4: 1, 10: 1, 13: 1}  # (value + 3) * 8, rounded down
    assert sum(membrane.histogram) == 10
    assert (membrane.bins_from, membrane.bins_to, len(membrane.histogram)) == (-3.0, 3.0, BINS)
    # |u - 1| <= 1/2 once: the rectangle is 1 there, else 0.
    once = 1 / 12
    shares = membrane.within_support_fraction, membrane.surrogate_active_fraction, membrane.surrogate_mean_derivative
    assert shares == pytest.approx((once, once, once))


def test_bins_from_0_on_are_what_fires():
    x = torch.randn(6, 50, 7, generator=torch.Generator().manual_seed(1)) * 2
    x[0, 0, 0] = 1.0  # u - theta is exactly 0
    spikes = int(LIF()(x).sum())
    membrane = one_layer(Readout(LIF(), units=7), x).membrane
    assert sum(membrane.histogram[3 * BINS_PER_UNIT :]) + membrane.updates_above == spikes
    assert sum(membrane.histogram) + membrane.updates_above + membrane.updates_below == membrane.updates == x.numel()


def test_support_and_activity_of_a_surrogate_with_a_wide_foot():
    # triangle at u - 1 = -0.995: derivative 0.005, in the support and below 1 %; at -0.5: 0.5; at -2: 0.
    layer = one_layer(Readout(LIF(surrogate="triangle")), sequence([0.005], [0.5], [-1.0]))
    membrane = layer.membrane
    assert membrane.within_support_fraction == pytest.approx(2 / 3)
    assert membrane.surrogate_active_fraction == pytest.approx(1 / 3)
    assert membrane.surrogate_mean_derivative == pytest.approx(0.505 / 3, rel=1e-4)


class Silent(Neuron):
    """Spikes without asking `fire`."""

    name = "silent"

    def initial_state(self, x):
        return ()

    def step(self, x, state):
        return (x > 0).float(), state


def test_a_neuron_that_never_calls_fire_has_no_membrane():
    layer = one_layer(Readout(Silent()), sequence(CURRENT))
    assert layer.membrane is None and layer.saturated_units == 1
    assert layer.gradient_norm_by_timestep == [0.0] * T


class Own(LIF):
    """A surrogate derivative of its own, 0.25 everywhere."""

    name = "own"

    def fire(self, u_minus_threshold):
        slope = 0.25 * u_minus_threshold
        return (u_minus_threshold >= 0).float() + slope - slope.detach()


def test_the_derivative_is_that_of_the_neurons_own_fire():
    membrane = one_layer(Readout(Own()), sequence(CURRENT)).membrane
    assert (membrane.surrogate_mean_derivative, membrane.within_support_fraction) == (0.25, 1.0)


def test_nothing_spikes_in_an_ann():
    assert diagnose(Readout(ReLU()), [(sequence(CURRENT), labels(1))]) is None


def test_a_neuron_that_is_used_twice_is_two_layers():
    class Twice(Readout):
        def forward(self, x):
            return self.linear(self.neuron(self.neuron(x)))

    found = diagnose(Twice(LIF()), [(sequence(CURRENT), labels(1))])
    assert [layer.name for layer in found.layers] == ["neuron", "neuron #2"]


def test_only_the_first_samples_are_taken():
    x, y = torch.ones(2, 100, 1), labels(100)
    assert diagnose(Readout(LIF()), [(x, y)] * 5).samples == SAMPLES == 256
    few = diagnose(Readout(LIF()), [(x, y)] * 5, samples=7)
    assert few.samples == 7 and few.layers[0].membrane.updates == 14


@pytest.mark.parametrize("neuron", ["lif", "clif", "plif"])
def test_a_network_is_diagnosed_layer_by_layer_and_nothing_is_left_behind(neuron):
    model = build_model("convnet", neuron=neuron, in_channels=1, classes=10, image_size=8, dropout=0.5)
    model.train()
    model.stages[1].eval()  # flags differ between modules
    x = 3 * torch.rand(3, 20, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    parameter = next(model.parameters())
    parameter.grad = torch.full_like(parameter, 7.0)
    before = copy.deepcopy(model)
    flags = {name: module.training for name, module in model.named_modules()}
    random = torch.get_rng_state()
    found = diagnose(model, [(x, torch.arange(20) % 10)])
    assert [layer.name for layer in found.layers] == [f"stages.{index}.neuron" for index in range(3)]
    assert [layer.units for layer in found.layers] == [32 * 64, 64 * 16, 128 * 4]
    assert all(layer.membrane.updates == 3 * 20 * layer.units for layer in found.layers)
    assert torch.equal(torch.get_rng_state(), random)
    assert {name: module.training for name, module in model.named_modules()} == flags
    assert torch.equal(parameter.grad, torch.full_like(parameter, 7.0))
    assert all(other.grad is None for other in list(model.parameters())[1:])
    for name, value in before.state_dict().items():
        assert torch.equal(model.state_dict()[name], value), name
    for module in model.modules():
        assert not module._forward_hooks and not module._forward_pre_hooks and "fire" not in vars(module)
    assert diagnose(model, [(x, torch.arange(20) % 10)]) == found


def test_the_gradient_is_that_of_training_without_the_watch():
    model = build_model("convnet", neuron="clif", in_channels=1, classes=10, image_size=8, stages=1).eval()
    x = 3 * torch.rand(3, 20, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    y = torch.arange(20) % 10
    stage = model.stages[0]
    current = stage.bn(stage.conv(x)).detach().requires_grad_()
    logits = model.linear(model.flatten(stage.pool(stage.neuron(current))))
    [gradient] = torch.autograd.grad(nn.functional.cross_entropy(logits[-1], y, reduction="sum"), current)
    expected = gradient.flatten(2).norm(dim=2).square().mean(1).sqrt()
    [layer] = diagnose(model, [(x, y)]).layers
    assert layer.gradient_norm_by_timestep == pytest.approx(expected.tolist(), rel=1e-5)
    assert layer.gradient_norm_by_timestep[-1] > 0


def test_nothing_is_left_behind_after_a_failure_either():
    model = Readout(CLIF()).train()
    model.neuron.fire = model.neuron.fire  # somebody's own wrapper
    own = model.neuron.fire
    with pytest.raises(RunFailedError, match="not finite"):
        diagnose(model, [(sequence([float("nan")] * T), labels(1))])
    assert model.training and vars(model.neuron)["fire"] is own
    assert not model.neuron._forward_hooks and not model.neuron._forward_pre_hooks


def test_no_samples_is_an_error():
    with pytest.raises(DataError, match="no samples"):
        diagnose(Readout(LIF()), [])
