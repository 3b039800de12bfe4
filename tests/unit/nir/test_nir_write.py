"""Networks that are written: what is folded, that the file gives the same bits, and what NIR cannot say."""

import io

import nir
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional
from torch.nn.utils.parametrize import ParametrizationList

import bench
from bench.models.layers import AdaptiveAvgPool2d, AvgPool2d, BatchNorm2d, Conv2d, Dropout, Flatten, Linear
from bench.models.resnet import BasicBlock
from bench.models.site import Site
from bench.models.synapses import put_synapses, without_synapses
from bench.neurons import LIF
from bench.nir.fold import fold
from bench.nir.write import DT, nir_file, to_nir


def hard(**settings):
    return LIF(reset="hard", **settings)


def settled(model, shape):
    """The model with running averages of its own and batch norms that are no identity, in eval mode."""
    generator = torch.Generator().manual_seed(1)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 1.5, generator=generator)
            nn.init.normal_(module.bias, 0.1, 0.3, generator=generator)
    with torch.no_grad():
        model.train()(torch.randn(3, 8, *shape, generator=generator))
    return model.eval()


def mlp(neuron="lif", batch_norm="folded", **params):
    params = params or {"reset": "hard"}
    made = bench.build_model(
        "mlp",
        neuron=neuron,
        neuron_params=params,
        in_channels=1,
        classes=10,
        image_size=4,
        weight_seed=0,
        width=20,
        batch_norm=batch_norm,
    )
    return settled(made, (1, 4, 4))


def read_back(model, shape, **metadata):
    return bench.from_nir(nir.read(io.BytesIO(nir_file(model, shape, metadata))))


def refusal(model, shape):
    with pytest.raises(bench.BenchError) as caught:
        nir_file(model, shape, {})
    assert caught.value.exit_code == 2
    return str(caught.value)


def lines(count, shape, seed=2):
    return torch.randn(count, 5, *shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("batch_norm", ["folded", "per-step"])
def test_the_file_gives_the_bits_of_a_network_folded_by_hand(batch_norm):
    model, x = mlp(batch_norm=batch_norm), lines(6, (1, 4, 4))
    spikes = x.flatten(2)
    for layer in model.layers:
        norm = layer.bn
        scale = norm.weight.double() / torch.sqrt(norm.running_var.double() + norm.eps)
        weight = (layer.linear.weight.double() * scale[:, None]).float()
        bias = (norm.bias.double() - norm.running_mean.double() * scale).float()
        spikes = layer.neuron(functional.linear(spikes.flatten(0, 1), weight, bias).unflatten(0, (6, 5)))
        assert 0 < spikes.mean() < 1
    expected = model.linear(spikes)
    read = read_back(model, (1, 4, 4))
    assert torch.equal(read(x), expected)
    assert torch.allclose(model(x), expected, atol=1e-6)  # of these numbers none crosses the threshold by rounding
    counted, again = (bench.count_operations(each, [x], input_kind="analog") for each in (model, read))
    assert [each.spikes_total for each in counted.neurons] == [each.spikes_total for each in again.neurons]
    assert [each.effective_synops_total for each in counted.layers] == [
        each.effective_synops_total for each in again.layers
    ]


@settings(max_examples=60, deadline=None)
@given(
    tau=st.floats(1.0078125, 1e4),
    threshold=st.floats(1e-3, 1e3),
    decay_input=st.booleans(),
    seed=st.integers(0, 2**31),
)
def test_a_written_neuron_fires_with_ours_at_every_float32_at_the_threshold_and_beside(
    tau, threshold, decay_input, seed
):
    neuron = hard(tau=tau, threshold=threshold, decay_input=decay_input)
    at = np.float32(threshold)
    near = [at, np.nextafter(at, np.float32(0)), np.nextafter(at, np.float32(np.inf)), -at, np.float32(0)]
    x = threshold * torch.rand(16, 2, 8, generator=torch.Generator().manual_seed(seed))
    x[0, 0, :5] = torch.tensor(near)
    expected = neuron(x)
    if not decay_input:
        assert expected[0, 0, :5].tolist() == [1, 0, 1, 0, 0]
    graph = to_nir(fold(nn.Sequential(neuron), (8,)), (8,), {})
    assert torch.equal(bench.from_nir(graph)(x), expected)
    assert {graph.nodes["_0"].tau.dtype, graph.nodes["_0"].r.dtype} <= {np.dtype("f4"), np.dtype("f8")}


def test_weights_that_go_through_a_synapse_are_written_as_they_are_used():
    model = mlp()
    stored = [layer.weight.detach().clone() for layer in model.modules() if isinstance(layer, nn.Linear)]
    put_synapses(model, "rounded", {"bits": 3, "end_bits": 3})
    x = torch.randn(4, 3, 1, 4, 4, generator=torch.Generator().manual_seed(2))
    with torch.no_grad():
        assert torch.equal(read_back(model, (1, 4, 4))(x), fold(without_synapses(model.eval()), (1, 4, 4))(x))
        assert torch.equal(without_synapses(model)(x), model(x))
    kept = [module.original for module in model.modules() if isinstance(module, ParametrizationList)]
    assert all(map(torch.equal, kept, stored)) and len(kept) == len(stored)  # the network itself is as it was


def test_the_threshold_is_the_float32_below_ours():
    node = to_nir(fold(nn.Sequential(hard(threshold=0.3)), (2,)), (2,), {}).nodes["_0"]
    assert (node.v_threshold < np.float32(0.3)).all()
    assert (np.nextafter(node.v_threshold, np.float32(1)) == np.float32(0.3)).all()


def test_the_graph_says_its_time_step_and_what_it_is_told():
    graph = nir.read(io.BytesIO(nir_file(mlp(), (1, 4, 4), {"timesteps": 4, "encoder": "direct"})))
    assert graph.metadata == {"timesteps": 4, "encoder": "direct", "dt": DT}
    assert [type(node).__name__ for node in graph.nodes.values()].count("LIF") == 2
    assert graph.nodes["layers_0_neuron"].tau == pytest.approx(2 * DT, rel=1e-6)


class Blocks(nn.Module):
    """Stem, two pre-activation blocks of which one has a shortcut of its own, batch norm, pool and readout."""

    def __init__(self, site, pool):
        super().__init__()
        self.stem = Conv2d(2, 4, 3, padding=1, bias=False)
        self.blocks = nn.Sequential(BasicBlock(4, 4, 1, 0.1, site), BasicBlock(4, 6, 2, 0.1, site))
        self.bn, self.neuron = site.norm(6), site.neuron(6)
        self.pool, self.flatten = pool, Flatten()
        self.linear = nn.Linear(6 * 3 * 3, 5)

    def forward(self, x):
        return self.linear(self.flatten(self.pool(self.neuron(self.bn(self.blocks(self.stem(x)))))))


@pytest.mark.parametrize(("size", "averages"), [(6, 0), (12, 1), (10, 0), (2, 0)])
def test_residual_networks_and_adaptive_pools_are_written(size, averages):
    """To maps of 3x3: from 3x3, 6x6, 5x5 and 1x1, of which only the second is an average that NIR knows."""
    torch.manual_seed(0)
    shape = (2, size, size)
    site = Site(2, 5, (size, size), lambda channels: hard(threshold=0.5))
    model, x = settled(Blocks(site, AdaptiveAvgPool2d((3, 3))), shape), lines(5, shape)
    graph = to_nir(fold(model, shape), shape, {})
    kinds = [type(node).__name__ for node in graph.nodes.values()]
    assert kinds.count("AvgPool2d") == averages and kinds.count("Scale") == 1
    folded, read = fold(model, shape), read_back(model, shape)
    assert torch.equal(read(x), folded(x))
    assert torch.allclose(read(x), model(x), atol=1e-5)
    counts = bench.count_operations(read, [x], input_kind="analog")
    assert counts.neurons[-1].spikes_total > 0 and counts.not_counted == []


def test_a_fold_is_the_same_arithmetic_in_real_numbers():
    torch.manual_seed(0)
    model = nn.Sequential(
        Conv2d(2, 4, 3, padding=1), BatchNorm2d(4), Dropout(0.5), AvgPool2d(2), AdaptiveAvgPool2d((3, 2)), Flatten(),
        Linear(24, 3),
    )  # fmt: skip
    model = settled(model, (2, 8, 8))
    folded, x = fold(model, (2, 8, 8)), lines(3, (2, 8, 8))
    assert [type(part).__name__ for part in folded.nodes.values() if part] == [
        "Conv2d", "AvgPool2d", "Flatten", "Linear"
    ]  # fmt: skip
    assert torch.allclose(folded(x), model(x), atol=1e-5)
    assert torch.equal(read_back(model, (2, 8, 8))(x), folded(x))


@pytest.mark.parametrize(
    ("neuron", "params", "why"),
    [
        ("lif", {"tau": 2.0}, "NIR's LIF resets to v_reset; the soft reset, u - threshold, it cannot say"),
        ("if", {"threshold": 1.0}, "NIR's IF resets to v_reset; the soft reset of 'if', u - threshold, it cannot say"),
        ("clif", {"tau": 2.0}, "NIR has no neuron with the equations of 'clif'; a 'lif' with reset = 'hard' it has"),
        ("plif", {"reset": "hard"}, "NIR has no neuron with the equations of 'plif'"),
        ("lif", {"reset": "hard", "v_reset": -0.1}, "NIR cannot say that a membrane begins at v_reset"),
    ],
)
def test_neurons_that_nir_cannot_say_are_refused_by_name(neuron, params, why):
    said = refusal(mlp(neuron, **params), (1, 4, 4))
    assert said.startswith(f"'layers_0_neuron', 'layers_1_neuron': {why}")


def test_every_problem_of_a_network_comes_at_once():
    model = bench.build_model("convnet", neuron="relu", in_channels=1, classes=3, image_size=16, width=2, stages=4)
    assert refusal(model, (1, 16, 16)).splitlines() == [
        "'stages_0_neuron', 'stages_1_neuron', 'stages_2_neuron' and 1 more: NIR has no ReLU",
        "'stages_0_pool', 'stages_1_pool', 'stages_2_pool' and 1 more: "
        "NIR has no maximum pooling; average pooling, as in vgg11 or resnet18, it has",
    ]


class Custom(Linear):
    """A layer that does more than its weights say."""

    def forward(self, x):
        return 2 * super().forward(x)


class Doubled(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = Linear(3, 3)

    def forward(self, x):
        return 2 * self.linear(x)


class Branching(Doubled):
    def forward(self, x):
        return self.linear(x) if x.sum() > 0 else x


@pytest.mark.parametrize(
    ("model", "why"),
    [
        (nn.Sequential(Custom(3, 3)), "'_0': NIR has no node for Custom"),
        (Doubled(), "Doubled: its forward pass is more than layers and sums: "),
        (Branching(), "Branching: its forward pass cannot be followed: "),
    ],
)
def test_forward_passes_that_are_more_than_layers_are_refused(model, why):
    assert refusal(model, (3,)).startswith(why)


def test_a_batch_norm_that_nothing_takes_in_is_refused():
    model = settled(nn.Sequential(BatchNorm2d(2), Conv2d(2, 2, 1)), (2, 3, 3))
    assert refusal(model, (2, 3, 3)) == "'_0': a batch norm behind 'input', which cannot take it in"
