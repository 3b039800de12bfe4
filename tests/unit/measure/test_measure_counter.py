"""What is counted of whole networks: time, kinds, neurons of any library, failures."""

import pytest
import torch
from support.measured import Model, column, images, spikes
from torch import nn

from bench.errors import BenchError
from bench.measure.counting.count import count_operations
from bench.measure.counting.counter import Counter
from bench.measure.counting.neurons import count_nonzero
from bench.measure.dense import fvcore_macs
from bench.models.build import build_model
from bench.models.layers import BatchNorm2d, Conv2d
from bench.neurons.lif import LIF
from bench.sequences import repeat


def test_a_static_stem_is_charged_at_every_timestep():
    model = build_model("convnet", neuron="lif", in_channels=3, classes=10, image_size=8, weight_seed=0, width=4)
    x = torch.rand(2, 3, 8, 8)
    cached = count_operations(model, [x.expand(5, 2, 3, 8, 8)], input_kind="analog")
    computed = count_operations(model, [x.repeat(5, 1, 1, 1, 1)], input_kind="analog")
    assert [layer.static_input for layer in cached.layers] == [True, False, False, False]
    assert cached.layers[0].timesteps == 5
    undone = [layer.model_copy(update={"static_input": False}) for layer in cached.layers]
    assert cached.model_copy(update={"layers": undone}) == computed
    one = count_operations(model, [x.expand(1, 2, 3, 8, 8)], input_kind="analog")
    assert cached.layers[0].dense_macs_total == 5 * one.layers[0].dense_macs_total
    assert not one.layers[0].static_input


@pytest.mark.parametrize(("name", "neuron"), [("convnet", "clif"), ("resnet18", "relu"), ("vgg11", "lif")])
def test_dense_macs_equal_fvcores_in_every_layer(name, neuron):
    model = build_model(name, neuron=neuron, in_channels=2, classes=5, image_size=32, weight_seed=0)
    x = torch.rand(2, 1, 2, 32, 32)
    counts = count_operations(model, [x])
    assert {layer.name: layer.dense_macs_total for layer in counts.layers} == fvcore_macs(model, x)


def test_fvcore_counts_a_cached_stem_once():
    model = build_model("convnet", neuron="lif", in_channels=3, classes=10, image_size=8, weight_seed=0)
    x = repeat(torch.rand(2, 3, 8, 8), 5)
    stem = count_operations(model, [x]).layers[0]
    assert 5 * fvcore_macs(model, x)[stem.name] == fvcore_macs(model, x.clone())[stem.name] == stem.dense_macs_total


def test_counts_are_independent_of_batch_size_and_layout():
    model = build_model("vgg11", neuron="clif", in_channels=2, classes=5, image_size=32, weight_seed=0)
    x = 4 * spikes(2, 6, 2, 32, 32)
    whole = count_operations(model, [x])
    parts = count_operations(model, [x[:, :1], x[:, 1:3], x[:, 3:]])
    assert whole == parts
    assert whole.samples == 6 and whole.timesteps == 2


def test_spikes_rates_and_parameters_of_a_neuron():
    model = build_model("convnet", neuron="plif", in_channels=1, classes=2, image_size=8, width=2, stages=1)
    fired = []
    model.stages[0].neuron.register_forward_hook(lambda module, args, output: fired.append(output))
    counts = count_operations(model, [torch.rand(3, 4, 1, 8, 8) * 9])
    (neuron,) = counts.neurons
    assert (neuron.neuron, neuron.spiking, neuron.units, neuron.samples, neuron.timesteps) == ("plif", True, 128, 4, 3)
    assert neuron.spikes_total == int(fired[0].sum()) > 0
    assert neuron.firing_rate == float(fired[0].double().mean())
    assert neuron.parameters == {"w": [model.stages[0].neuron.w.item()]}
    assert counts.firing_rate == neuron.firing_rate


def test_kinds_along_a_spiking_network():
    model = build_model("vgg11", neuron="lif", in_channels=3, classes=10, image_size=32, weight_seed=0)
    counts = count_operations(model, [9 * torch.rand(2, 2, 3, 32, 32)], input_kind="analog")
    kinds = {layer.name: (layer.input_kind, layer.input_unit) for layer in counts.layers}
    assert kinds["layer1.0"] == ("analog", None)
    assert kinds["layer2.0"] == ("graded", 0.25)
    assert kinds["layer3.4"] == ("binary", None)


class ForeignLIF(nn.Module):
    """A neuron as other libraries write it: one step a call, state on the module."""

    def __init__(self):
        super().__init__()
        self.v = None

    def forward(self, x):
        v = torch.zeros_like(x) if self.v is None else self.v
        u = 0.5 * v + x
        s = (u - 1.0 >= 0).float()
        self.v = u - 1.0 * s
        return s


def stepped(m, x):
    m.lif.v = None
    return torch.stack([m.fc(m.lif(m.conv(x)).flatten(1)) for _ in range(4)]).mean(0)


def test_a_foreign_network_that_makes_its_own_time():
    model = Model(stepped, conv=nn.Conv2d(1, 2, 3, padding=1), lif=ForeignLIF(), fc=nn.Linear(32, 3))
    x = [3 * torch.rand(5, 1, 4, 4), 3 * torch.rand(2, 1, 4, 4)]
    counts = count_operations(model, x, time_axis=None, input_kind="analog")
    (lif,) = counts.neurons
    assert (lif.name, lif.neuron, lif.spiking, lif.units, lif.timesteps) == ("lif", "foreignlif", True, 32, 4)
    assert lif.ops_per_update == {"shift": 1, "select": 1, "add": 1, "sub": 1, "compare": 1}
    assert lif.state_words == 1
    assert column(counts, "readout") == {"forward": {"add": 9, "shift": 3}}
    conv, fc = counts.layers
    assert (conv.input_kind, fc.input_kind) == ("analog", "binary")
    assert (conv.timesteps, fc.timesteps, counts.timesteps) == (4, 4, 1)
    assert fc.input_nonzero_total == lif.spikes_total > 0
    assert counts.not_counted == []


def test_a_foreign_network_is_counted_like_ours():
    torch.manual_seed(0)
    conv, fc = nn.Conv2d(1, 2, 3, padding=1), nn.Linear(32, 3)
    x = 3 * torch.rand(5, 1, 4, 4)
    theirs = count_operations(Model(stepped, conv=conv, lif=ForeignLIF(), fc=fc), [x], None, "analog")

    def run(m, x):
        y = m.lif(m.conv(x.flatten(0, 1)).unflatten(0, (4, 5)))
        return m.fc(y.flatten(2))

    ours = count_operations(Model(run, conv=conv, lif=LIF(), fc=fc), [x.expand(4, *x.shape)], 0, "analog")
    assert ours.layers == theirs.layers
    assert ours.neurons[0].spikes_total == theirs.neurons[0].spikes_total


def test_one_module_at_two_shapes_is_counted_apart():
    model = Model(lambda m, x: m.act(m.conv(m.act(m.conv(x)))), conv=nn.Conv2d(1, 1, 3), act=nn.ReLU())
    counts = images(model, torch.rand(2, 1, 7, 7))
    assert [(layer.name, layer.input_shape) for layer in counts.layers] == [("conv", (1, 7, 7)), ("conv #2", (1, 5, 5))]
    assert [neuron.units for neuron in counts.neurons] == [25, 9]
    assert not any(neuron.spiking for neuron in counts.neurons)


def test_in_place_activations_and_channels_last():
    model = nn.Sequential(nn.Conv2d(2, 3, 3), nn.BatchNorm2d(3), nn.ReLU(inplace=True), nn.Conv2d(3, 2, 3))
    x = torch.rand(2, 2, 8, 8)
    plain = images(model, x)
    # the same network in another memory format may round its sums differently, but not these zeros
    assert images(model.to(memory_format=torch.channels_last), x) == plain
    assert column(plain, "norm") == {} and plain.layers[1].input_kind == "analog"


def test_hooks_are_gone_after_a_failure_and_the_counts_are_refused():
    def fail(m, x):
        m.conv(x)
        raise RuntimeError("no")

    model = Model(fail, conv=Conv2d(1, 1, 1), bn=BatchNorm2d(1), lif=LIF())
    counter = Counter(model)
    with pytest.raises(RuntimeError, match=r"^no$"), counter:
        model(torch.rand(2, 1, 1, 4, 4))
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())
    assert torch.utils._python_dispatch._get_current_dispatch_mode() is None
    with pytest.raises(BenchError, match="a forward pass failed"):
        counter.counts()
    with pytest.raises(RuntimeError, match=r"^no$"):
        count_operations(model, [torch.rand(2, 1, 1, 4, 4)])
    assert all(module.training for module in model.modules())


def test_counting_changes_no_output():
    model = build_model("resnet18", neuron="clif", in_channels=3, classes=10, image_size=16, weight_seed=0).eval()
    x = torch.rand(2, 1, 3, 16, 16)
    with torch.no_grad():
        plain = model(x)
        with Counter(model):
            first, second = model(x), model(x)
    assert torch.equal(plain, first) and torch.equal(plain, second)


def test_what_cannot_be_counted_says_why():
    with pytest.raises(BenchError, match="no batch was counted"):
        count_operations(nn.Linear(2, 2), [])
    with pytest.raises(BenchError, match="every batch should have 3 timesteps"):
        count_operations(nn.Linear(2, 2), [torch.rand(3, 1, 2), torch.rand(4, 1, 2)], layout="TN")


@pytest.mark.parametrize(
    "x",
    [
        torch.randn(4, 4, 64, 32, 32).relu(),
        (torch.rand(2, 3, 64, 33, 33) < 0.3).float(),
        torch.randn(5, 9, 64, 64, 8, dtype=torch.float64).relu().permute(0, 1, 4, 2, 3),
        torch.randn(1, 64, 32, 32).relu().expand(9, 64, 32, 32),
        torch.randn(80_000).half().relu(),
        torch.rand(80_000) < 0.3,
        torch.randn(7).relu(),
    ],
    ids=lambda x: f"{x.dtype} {list(x.shape)}",
)
def test_non_zeros_are_counted_as_torch_counts_them(x):
    assert int(count_nonzero(x)) == int(torch.count_nonzero(x))


def test_a_layout_that_is_not_said_is_confirmed_by_the_first_layer_or_asked_for():
    """Neurons tell nothing: a network may make its time before them, out of images or of tokens."""

    def run(m, x):
        return m.lif(m.conv(x.repeat(4, 1, 1, 1)).unflatten(0, (4, -1))).mean(0)

    inside = Model(run, conv=nn.Conv2d(3, 2, 3), lif=LIF())
    inside.step_mode = "m"
    found = count_operations(inside, [torch.rand(6, 3, 8, 8)])
    assert (found.samples, found.timesteps, found.neurons[0].timesteps) == (6, 1, 4)
    tokens = Model(lambda m, x: m.lif(m.fc(x).expand(4, *x.shape[:2], -1)), fc=nn.Linear(5, 2), lif=LIF())
    for model, x in (
        (tokens, torch.rand(6, 3, 5)),
        (nn.Linear(5, 2), torch.rand(6, 3, 5)),
        (inside, torch.rand(4, 2, 3, 8, 8)),
    ):
        with pytest.raises(BenchError, match="which of its axes are timesteps and samples"):
            count_operations(model, [x])
    with pytest.raises(TypeError, match="unexpected keyword argument 'kind'"):
        count_operations(inside, [torch.rand(6, 3, 8, 8)], kind={})
