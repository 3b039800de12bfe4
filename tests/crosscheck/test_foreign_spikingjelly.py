"""SpikingJelly's own models through the counter, against brute force and, where rules agree, its SynOpCounter."""

import pytest
import torch
from support.brute_force import brute
from support.foreign_library import library
from torch import nn

import bench

BASE = "spikingjelly.activation_based"
T, N = 4, 2


def part(name):
    return library(f"{BASE}.{name}")


def calibrated(model, x):
    """Have every batch norm make what fires of what it sees: its statistics are those of x, and its shift is 0.6."""
    for module in model.modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            module.momentum = 1.0
            nn.init.constant_(module.bias, 0.6)
    with torch.no_grad():
        model.train()(x)
    part("functional").reset_net(model)
    return model.eval()


def nodes(**options):
    return {"spiking_neuron": part("neuron").IFNode, "surrogate_function": part("surrogate").ATan(), **options}


def plif():
    return {"spiking_neuron": part("neuron").ParametricLIFNode}


def multi(model):
    part("functional").set_step_mode(model, "m")
    return model


def transformer(module, name, **options):
    small = {"T": T, "num_classes": 10, "embed_dims": 32}
    return getattr(part(f"model.{module}"), name)(**small | options)


def spikformer(size=32):
    options = {"img_size_h": size, "img_size_w": size, "patch_size": 4, "num_heads": 4, "depths": 1}
    return transformer("spikformer", "Spikformer", **options)


def vgg():
    """Its convolutions; of its three linear layers one, of 10 outputs."""
    model = part("model.spiking_vgg").spiking_vgg11_bn(**nodes(num_classes=10))
    model.classifier = part("layer").Linear(512 * 7 * 7, 10)
    return model


def sew(cnf):
    return lambda: multi(part("model.sew_resnet").sew_resnet18(cnf=cnf, **nodes(num_classes=10)))


MODELS = {
    "spiking_resnet18": lambda: multi(part("model.spiking_resnet").spiking_resnet18(**nodes(num_classes=10))),
    "sew_resnet18 ADD": sew("ADD"),
    "sew_resnet18 AND": sew("AND"),
    "sew_resnet18 IAND": sew("IAND"),
    "ms_resnet18": lambda: multi(part("model.ms_resnet").ms_resnet18(T=T, num_classes=10)),
    "spiking_vgg11_bn": lambda: multi(vgg()),
    "MNISTNet": lambda: multi(part("model.parametric_lif_net").MNISTNet(channels=4, **plif())),
    "DVSGestureNet": lambda: multi(part("model.parametric_lif_net").DVSGestureNet(channels=4, **plif())),
    "Spikformer": spikformer,
    "SpikeDrivenTransformer": lambda: transformer(
        "spike_driven_transformer", "SpikeDrivenTransformer", num_heads=4, depths=1
    ),
    "QKFormer": lambda: transformer("qkformer", "QKFormer", num_heads=(1, 2, 4), depths=(1, 1, 1)),
}


SUMMED = {"sew_resnet18 ADD", "Spikformer", "SpikeDrivenTransformer", "QKFormer", "DVSGestureNet"}


def data(name):
    generator = torch.Generator().manual_seed(0)
    if name == "DVSGestureNet":
        return torch.poisson(torch.full((T, 1, 2, 128, 128), 0.4), generator=generator)
    return torch.rand(T, N, *((1, 28, 28) if name == "MNISTNet" else (3, 32, 32)), generator=generator)


def theirs(model, x):
    """What SpikingJelly's SynOpCounter counts in every module."""
    counter_of = part("op_counter")
    counter = counter_of.SynOpCounter()
    part("functional").reset_net(model)
    with torch.no_grad(), counter_of.DispatchCounterMode([counter]):
        model(x)
    part("functional").reset_net(model)
    root = f"{type(model).__name__}."
    return {scope.removeprefix(root): sum(found.values()) for scope, found in counter.get_counts().items()}


def met(layer):
    """Pairs of a non-zero input and a non-zero weight: of random weights one in millions is 0."""
    found = layer.synops_without_zero_weights_total
    return layer.effective_synops_total if found is None else found


@pytest.mark.parametrize("name", MODELS)
def test_models_equal_brute_force_and_spikingjellys_counter_where_inputs_are_spikes(name):
    """SpikingJelly's rule: a layer whose input holds anything but 0 and 1 has no synops; here it is graded."""
    torch.manual_seed(0)
    x = data(name)
    model = calibrated(MODELS[name](), x)
    counts = bench.count_operations(model, [x], layout="TN", input_kind="graded" if name == "DVSGestureNet" else None)
    part("functional").reset_net(model)
    pairs, dense = brute(model, x)
    assert sum(map(met, counts.layers)) == pairs
    assert sum(layer.dense_macs_total for layer in counts.layers) == dense
    assert not counts.not_counted and not counts.warnings
    assert counts.neurons and all(found.spiking and found.timesteps == T for found in counts.neurons)
    assert bench.estimate_energy(counts, "horowitz-fp32").total_pj_per_sample
    found = theirs(model, x)
    weights = [layer for layer in counts.layers if layer.kind != "matmul"]
    for layer in weights:
        expected = layer.effective_synops_total if layer.input_kind == "binary" else 0
        assert found[layer.name] == expected, layer.name
    analog = [layer.name for layer in weights if layer.input_kind == "analog"]
    # Events are counts; the shortcuts of MS-ResNet are membranes.
    assert analog == {
        "DVSGestureNet": [],
        "ms_resnet18": ["stem.0", *(f"layer{at}.0.downsample.0" for at in range(1, 5))],
    }.get(name, [weights[0].name])
    assert ("graded" in {layer.input_kind for layer in weights}) == (name in SUMMED)
    assert all(layer.effective_synops_total for layer in weights[:3])


def test_the_two_products_of_spike_attention_are_pairs_of_two_operands():
    """SpikingJelly's rule where one operand is no spike: the other's spikes, each times all of a row."""
    torch.manual_seed(0)
    x = data("Spikformer")
    model = calibrated(spikformer(), x)
    seen = []
    model.blocks[0].attn.qkv_lif.register_forward_hook(lambda module, args, output: seen.append(output))
    counts = bench.count_operations(model, [x], layout="TN")
    first, second = (layer for layer in counts.layers if layer.kind == "matmul")
    q, k, v = seen[0].double().unflatten(2, (3, 4, 8)).unbind(2)  # [T, N, heads, 8, tokens]
    pairs = int((v.sum(-2) * k.sum(-2)).sum())
    met = int((torch.einsum("tnhil,tnhjl->tnhij", v, k).ne(0).double().sum(-2) * q.sum(-1)).sum())
    assert (first.effective_synops_total, second.effective_synops_total) == (pairs, met)
    assert 0 < pairs and 0 < met < int(q.sum()) * 8
    assert (first.input_kind, first.second_kind) == ("binary", "binary")
    assert (second.input_kind, second.second_kind) == ("binary", "analog")
    found = theirs(model, x)
    products = found["blocks.0.attn"] - found["blocks.0.attn.qkv_conv_bn"] - found["blocks.0.attn.proj_conv_bn"]
    assert products == pairs + int(q.sum()) * 8
    price = bench.estimate_energy(counts, "horowitz-fp32")
    priced = {layer.name: (layer.operation, layer.operations_per_sample) for layer in price.layers}
    assert priced[first.name] == ("ac", pairs / N) and priced[second.name] == ("ac", met / N)


@pytest.mark.parametrize("size", [16, 32, 48])
def test_a_head_that_sees_the_mean_of_tokens_is_graded_at_every_resolution(size):
    torch.manual_seed(0)
    x = torch.rand(T, N, 3, size, size, generator=torch.Generator().manual_seed(0))
    model = calibrated(spikformer(size), x)
    seen = []
    model.head.register_forward_hook(lambda module, args, output: seen.append(args[0]))
    counts = bench.count_operations(model, [x], layout="TN")
    head, tokens = counts.layers[-1], (size // 4) ** 2
    assert head.input_kind == "graded" and head.input_unit == pytest.approx(1 / tokens)
    assert head.graded_acs_total == 10 * round(float(seen[0].double().sum()) * tokens)
    priced = bench.estimate_energy(counts, "horowitz-fp32").layers[-1]
    assert (priced.operation, priced.operations_per_sample) == ("ac", head.graded_acs_total / N)


def test_a_transformer_that_makes_its_own_time_has_it_whatever_the_batch():
    torch.manual_seed(0)
    options = {"num_heads": 4, "depths": 1, "embed_dims": 64}
    model = transformer("spike_driven_transformer", "SpikeDrivenTransformer", **options).eval()
    one, found = torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(0)), set()
    for samples in (1, 2, 4):
        counts = bench.count_operations(model, [one.expand(samples, 3, 32, 32)], layout="N")
        price = bench.estimate_energy(counts, "horowitz-memory").total_pj_per_sample
        found.add((f"{price:.6g}", *((neuron.units, neuron.timesteps) for neuron in counts.neurons)))
    [(_, first, *others)] = found
    assert first == (8192, T) and {timesteps for _, timesteps in others} == {T}


class Small(nn.Sequential):
    """A neuron between two linear layers."""

    def __init__(self, neuron):
        torch.manual_seed(0)
        super().__init__(nn.Linear(10, 20), neuron, nn.Linear(20, 5))


def steps():
    return 5 * torch.rand(T, N, 10, generator=torch.Generator().manual_seed(1))


class Looped(nn.Module):
    """A network of single steps, run on x [T, N, ...] step by step."""

    def __init__(self, network):
        super().__init__()
        self.network = network

    def forward(self, x):
        return torch.stack([self.network(step) for step in x])


def test_a_network_of_single_steps_in_a_loop_is_counted_as_one_of_sequences():
    neuron = part("neuron")
    looped = bench.count_operations(Looped(Small(neuron.LIFNode())).eval(), [steps()] * 2, layout="TN")
    whole = bench.count_operations(Small(neuron.LIFNode(step_mode="m")).eval(), [steps()] * 2, layout="TN")
    for one, other in zip(looped.layers, whole.layers, strict=True):
        assert one == other.model_copy(update={"name": f"network.{other.name}"})
    assert (looped.samples, looped.timesteps, looped.warnings) == (2 * N, T, [])
    [ours], [other] = looped.neurons, whole.neurons
    assert (ours.units, ours.timesteps, ours.spikes_total) == (20, T, other.spikes_total) and ours.spikes_total
    assert ours.ops_per_update == other.ops_per_update


def test_a_convolutional_network_of_single_steps_in_a_loop_is_counted_as_one_of_sequences():
    torch.manual_seed(0)
    x, model = data("MNISTNet"), part("model.parametric_lif_net").MNISTNet(channels=6, **plif())
    whole = bench.count_operations(calibrated(multi(model), x), [x], layout="TN")
    part("functional").set_step_mode(model, "s")
    looped = bench.count_operations(Looped(model), [x], layout="TN")
    for one, other in zip(looped.layers, whole.layers, strict=True):
        # Batches of another size may round a membrane at the threshold to its other side.
        assert one.effective_synops_total == pytest.approx(other.effective_synops_total, rel=1e-3)
        assert (one.dense_macs_total, one.timesteps) == (other.dense_macs_total, T)
    assert [(found.units, found.timesteps) for found in looped.neurons] == [
        (found.units, found.timesteps) for found in whole.neurons
    ]
    assert not looped.warnings and looped.layers[1].effective_synops_total


def test_steps_that_are_given_as_batches_are_samples_of_one_step_whose_state_goes_on():
    model = Small(part("neuron").LIFNode()).eval()
    apart = bench.count_operations(model, list(steps()), layout="N", reset=None)
    whole = bench.count_operations(Looped(model), [steps()], layout="TN")
    assert (apart.samples, apart.timesteps) == (T * N, 1) and "state is carried" in apart.warnings[0]
    assert (whole.samples, whole.timesteps) == (N, T) and not whole.warnings
    assert apart.neurons[0].spikes_total == whole.neurons[0].spikes_total > 0
    assert [layer.effective_synops_total for layer in apart.layers] == [
        layer.effective_synops_total for layer in whole.layers
    ]
    assert apart.effective_synops_per_sample * T == whole.effective_synops_per_sample


NEURONS = {  # by name, what it is made with and how many words it keeps
    "IFNode": ({}, 1),
    "LIFNode": ({"v_reset": 0.0}, 1),
    "LIFNode, soft": ({"v_reset": None}, 1),
    "ParametricLIFNode": ({}, 1),
    "KLIFNode": ({}, 1),
    "QIFNode": ({}, 1),
    "EIFNode": ({}, 1),
    "IzhikevichNode": ({}, 2),
}


@pytest.mark.parametrize("name", NEURONS)
def test_neurons_are_neurons_whose_every_operation_has_a_price(name):
    options, words = NEURONS[name]
    model = Small(getattr(part("neuron"), name.partition(",")[0])(step_mode="m", **options)).eval()
    counts = bench.count_operations(model, [steps()] * 2, layout="TN")
    part("functional").reset_net(model)
    assert 2 * brute(model, steps())[0] == sum(layer.effective_synops_total for layer in counts.layers)
    [found] = counts.neurons
    assert (found.units, found.timesteps, found.state_words, found.spiking) == (20, T, words, True)
    assert found.spikes_total and counts.layers[1].input_kind == "binary"
    assert not counts.not_counted and not counts.warnings
    assert bench.estimate_energy(counts, "horowitz-fp32").total_pj_per_sample


@pytest.mark.parametrize("name", ["DSRIFNode", "DSRLIFNode"])
def test_neurons_that_send_their_threshold_are_spiking(name):
    model = Small(getattr(part("neuron"), name)(T=T)).eval()
    counts = bench.count_operations(model, [6 * steps()], layout="TN")
    [found] = counts.neurons
    assert (found.units, found.timesteps, found.spiking) == (20, T, True) and found.spikes_total
    assert counts.layers[1].input_kind in ("binary", "graded") and not counts.not_counted
    assert sum(map(met, counts.layers)) == brute(model, 6 * steps())[0]
