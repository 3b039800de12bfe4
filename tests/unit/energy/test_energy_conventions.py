"""Conventions of papers and tools, each by hand on two small layers: `tests/support/energy.py` has their sizes."""

import pytest
from support.energy import CLIF, SAMPLES, T, ann, conv, linear, network, neuron, stem

from bench.energy.conventions.base import Convention, convention_called
from bench.errors import ParameterError, UnknownNameError
from bench.plugins import registry
from bench.records.counts import Counts, LayerCount, NeuronCount, OtherOps

# 50 spikes of 1,024 x 4 inputs meet 73,728 x 4 dense operations: 3,600 accumulates, where 3,000 synops were counted.
RATE = 50 / 4096


def first(**changes):
    return stem(network_input=True, **changes)


def spiking(**changes):
    """A first layer that sees an image, LIF, and a layer without bias."""
    return network(**({"layers": [first(), conv(has_bias=False)], "other_ops": []} | changes))


def estimate(name, counts):
    return convention_called(name).estimate(counts)


def causes(found):
    return {step.cause: step.pj_per_sample for step in found.steps}


def test_the_built_in_conventions_say_what_they_are():
    known = registry.plugins("convention")
    assert set(known) == {"sdt", "spikformer", "syops", "clif", "neurobench"}
    for name in known:
        convention = convention_called(name)
        assert isinstance(convention, Convention) and convention.formula and convention.rate and convention.errors
        assert convention.status.startswith(("read in the source", "second-hand"))


def test_an_unknown_convention_is_told_the_nearest_and_an_outside_one_asks_for_trust(tmp_path, monkeypatch):
    with pytest.raises(UnknownNameError, match="unknown convention 'sdtt'; did you mean 'sdt'"):
        convention_called("sdtt")
    (tmp_path / "theirconvention.py").write_text('class Theirs:\n    """Theirs."""\n')
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ParameterError, match="convention 'theirconvention:Theirs' would import 'theirconvention'"):
        convention_called("theirconvention:Theirs")


def test_sdt_charges_the_first_layer_macs_at_every_timestep_and_later_ones_by_their_rate():
    found = estimate("sdt", spiking())
    # 4.6 x 18,432 x 4 = 339,148.8; 0.9 x 3,600 = 3,240
    assert found.pj_per_sample == pytest.approx(342_388.8, rel=1e-12)
    one, two = found.charges
    assert (one.operation, one.rate, one.times, one.operations) == ("mac", 1.0, 4.0, 73_728.0)
    assert (two.operation, two.rate, two.times, two.operations) == ("ac", RATE, 4.0, 3_600.0)


def test_sdt_charges_event_frames_by_their_pixels_that_are_not_zero():
    events = first(input_kind="graded", input_unit=1.0, input_levels=9, graded_acs_total=60_000 * SAMPLES)
    found = estimate("sdt", spiking(layers=[events, conv(has_bias=False)]))
    # 400 of 128 x 4 pixels: 0.78125 x 73,728 = 57,600 MACs of 4.6 pJ
    assert found.pj_per_sample == pytest.approx(57_600 * 4.6 + 3_240, rel=1e-12)


def test_spikformer_charges_the_first_layer_once():
    found = estimate("spikformer", spiking())
    assert found.pj_per_sample == pytest.approx(18_432 * 4.6 + 3_240, rel=1e-12)
    steps = causes(found)
    assert steps["timesteps charged"] - steps["rate × dense"] == pytest.approx(-3 * 18_432 * 4.6, rel=1e-12)


def test_spikformer_takes_the_mean_of_pooled_spikes_where_counts_tell_it():
    pooled = {"input_kind": "graded", "input_unit": 0.25, "input_levels": 4}
    # 200 quarters per sample, met by 10 outputs: a mean of 50 / (512 x 4), times 5,120 x 4 dense operations: 500
    head = linear(graded_acs_total=200 * 10 * SAMPLES, **pooled)
    found = estimate("spikformer", spiking(layers=[first(), head]))
    assert found.pj_per_sample == pytest.approx(18_432 * 4.6 + 500 * 0.9, rel=1e-12)
    told = estimate("spikformer", spiking(layers=[first(), conv(graded_acs_total=4000 * SAMPLES, **pooled)]))
    assert told.pj_per_sample is None and told.charges[1] is None
    assert told.missing[0].startswith("conv: the mean of its summed or pooled input spikes")
    assert told.at_least_pj_per_sample == pytest.approx(18_432 * 4.6, rel=1e-12)


@pytest.mark.parametrize("name", ["sdt", "spikformer"])
def test_an_ann_is_charged_its_dense_macs(name):
    assert estimate(name, ann()).pj_per_sample == pytest.approx((18_432 + 73_728) * 4.6, rel=1e-12)


@pytest.mark.parametrize("name", ["sdt", "spikformer"])
def test_a_spiking_network_whose_first_layer_is_not_known_has_no_number(name):
    found = estimate(name, network())
    assert (
        found.pj_per_sample is found.at_least_pj_per_sample is None and "which layer is the first" in found.missing[0]
    )


@pytest.mark.parametrize("name", ["sdt", "spikformer", "syops", "clif", "neurobench"])
def test_work_that_was_not_counted_is_named(name):
    found = estimate(name, spiking(not_counted=["attn"], synapses_not_counted=["attn"]))
    assert found.pj_per_sample is None and "the work of attn, which was not counted" in found.missing
    assert estimate(name, spiking(not_counted=["drop"], synapses_not_counted=[])).missing == ()


def test_syops_charges_dense_operations_and_the_neurons_it_knows():
    found = estimate("syops", spiking())
    # 4.6 x 73,728 + 0.9 x 3,600, and an AC for each of 1,024 x 4 updates: 3,686.4
    assert found.pj_per_sample == pytest.approx(339_148.8 + 3_240 + 3_686.4, rel=1e-12)
    without = estimate("syops", spiking(neurons=[neuron(CLIF, 2, neuron="clif")]))
    assert without.pj_per_sample == pytest.approx(342_388.8, rel=1e-12)
    ternary = estimate("syops", spiking(layers=[first(), conv(has_bias=False, input_kind="ternary")]))
    assert ternary.charges[1].operations == 294_912 and ternary.charges[1].operation == "mac"


def test_syops_of_an_ann_charges_a_mac_per_activation():
    counts = ann()
    counts = counts.model_copy(
        update={"layers": [each.model_copy(update={"has_bias": False}) for each in counts.layers]}
    )
    assert estimate("syops", counts).pj_per_sample == pytest.approx((92_160 + 1_024) * 4.6, rel=1e-12)


def test_syops_says_what_of_it_counts_do_not_hold():
    pool = OtherOps(name="pool", column="pooling", ops_per_sample={"compare": 3.0})
    found = estimate("syops", network(layers=[first(), conv()], other_ops=[pool]))
    assert found.pj_per_sample is None and len(found.missing) == 2
    assert "batch norm" in found.missing[0] and found.missing[1].startswith("pools")
    assert found.at_least_pj_per_sample == pytest.approx(346_075.2, rel=1e-12)


def test_syops_counts_a_transposed_convolution_by_its_output():
    shapes = {"weight_shape": (16, 32, 3, 3), "output_shape": (32, 16, 16), "has_bias": False}
    found = estimate("syops", spiking(layers=[first(), conv(kind="conv_transpose2d", input_kind="analog", **shapes)]))
    assert found.charges[1].operations == 16 * 32 * 9 * 256 * T


def test_neurobench_counts_pairs_that_are_not_zero():
    found = estimate("neurobench", spiking())
    assert found.pj_per_sample == pytest.approx(40_000 * 4.6 + 3_000 * 0.9, rel=1e-12)
    graded = conv(has_bias=False, input_kind="graded", graded_acs_total=5000 * SAMPLES)
    assert estimate("neurobench", spiking(layers=[first(), graded])).charges[1].operation == "mac"
    pruned = conv(zero_weights=9, synops_without_zero_weights_total=2000 * SAMPLES)
    assert estimate("neurobench", spiking(layers=[first(), pruned])).charges[1].operations == 2000
    older = estimate("neurobench", spiking(layers=[first(), conv(zero_weights=9)]))
    assert older.pj_per_sample is None and "weights that are zero" in older.missing[0]
    unseen = estimate("neurobench", spiking(layers=[first(), conv(kind="conv_transpose2d")]))
    assert unseen.charges[1] is None and unseen.pj_per_sample == pytest.approx(184_000, rel=1e-12)


def test_clifs_script_term_by_term():
    found = estimate("clif", spiking())
    steps = causes(found)
    # The first layer: 128 ones x 9 x 16 = 18,432. The second: 12.5 spikes of one timestep x 32 x 9 / 4, floored to x 1.
    assert steps["rate × taps"] == pytest.approx(0.1 * 4 * (18_432 + 900), rel=1e-12)
    assert steps["kernel // stride"] == pytest.approx(0.1 * 4 * (18_432 + 400), rel=1e-12)
    assert steps["T missing"] == steps["Nin twice"] == pytest.approx(0.1 * 18_832, rel=1e-12)
    # Leaks: 4 x (1,024 + 512) MACs; resets: 12.5, none of the last layer; biases: 4 x 1,536.
    assert steps["neurons"] == pytest.approx(1_883.2 + 3.2 * 6_144 + 0.1 * 12.5, rel=1e-12)
    assert steps["bias"] == pytest.approx(steps["neurons"] + 0.1 * 6_144, rel=1e-12)
    # Addresses: 2 x (128 + 12.5) MACs; 18,432 + 12.5 x 288 additions.
    assert steps["addressing"] == pytest.approx(steps["bias"] + 3.2 * 281 + 0.1 * 22_032, rel=1e-12)
    # 140.5 inputs and 12.5 outputs, below 8 kB; weights, reads, writes: 22,032 + 1,536 each, between 8 kB and 32 kB.
    small, large = 10 / 8192, 10 / 24576
    memory = small * (140.5**2 + 12.5**2) + 3 * 23_568 * large * (23_568 - 8192)
    assert found.pj_per_sample == steps["memory"] == pytest.approx(steps["addressing"] + memory, rel=1e-12)
    assert [charge.rate for charge in found.charges] == [1.0, RATE]


def test_clifs_script_has_the_inputs_of_a_linear_layer_twice():
    found = estimate("clif", spiking(layers=[first(), linear(weight_shape=(10, 1024), input_shape=(1024,))]))
    steps = causes(found)
    assert steps["T missing"] == pytest.approx(0.1 * (18_432 + 12.5 * 10), rel=1e-12)
    assert steps["Nin twice"] == pytest.approx(0.1 * (18_432 + 12.5 * 10 * 1024), rel=1e-12)
    assert steps["bias"] - steps["neurons"] == pytest.approx(0.1 * 4_096, rel=1e-9)  # none of the linear layer


def test_clifs_script_multiplies_what_clif_adds():
    lif, clif = (causes(estimate("clif", spiking(neurons=[neuron(neuron=name)]))) for name in ("lif", "clif"))
    assert clif["T missing"] == lif["T missing"]
    for cause, before, factor in (("neurons", "Nin twice", 3), ("bias", "neurons", 1), ("addressing", "bias", 2)):
        assert clif[cause] - clif[before] == pytest.approx(factor * (lif[cause] - lif[before]), rel=1e-9)


def test_clifs_script_of_an_ann():
    found = estimate("clif", ann())
    dense, outputs = 92_160, 1_536
    # Addresses: inputs + outputs + Cout x 9, of both layers.
    addresses = 128 + 1_024 + 144 + 1_024 + 512 + 288
    middle = 80 / (1024 * 1024 - 32 * 1024)
    reads = dense * middle * (dense - 32_768) + (dense + outputs) * middle * (dense + outputs - 32_768)
    memory = reads + outputs * outputs * 10 / 8192
    assert found.pj_per_sample == pytest.approx(3.2 * dense + 0.1 * (outputs + addresses) + memory, rel=1e-12)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"neurons": [neuron(neuron="plif")]}, "a formula for its neurons (plif)"),
        ({"neurons": [neuron(units=7)]}, "which neurons feed which layer"),
        ({"neurons": [neuron(), neuron(name="more")]}, "which neurons feed which layer"),
    ],
)
def test_clifs_script_has_no_number_for_what_it_does_not_know(changes, words):
    found = estimate("clif", spiking(**changes))
    assert found.at_least_pj_per_sample is None and found.missing[0].startswith(words)


def test_clifs_script_leaves_1x1_shortcuts_out():
    shortcut = conv(name="shortcut", weight_shape=(32, 16, 1, 1))
    with_it = estimate("clif", spiking(layers=[first(), conv(), shortcut]))
    assert with_it.pj_per_sample == pytest.approx(estimate("clif", spiking()).pj_per_sample, rel=1e-12)
    assert with_it.charges[2] is None and causes(with_it)["layers left out"] < causes(with_it)["counted"]


# The script's own list of a ResNet-18 on CIFAR-10 and its rates in percent. It prints 34,530, 64,829 and 111,662 µJ.
STAGES = [(64, 64, 32, 1)] * 4 + [(64, 128, 32, 2)] + [(128, 128, 16, 1)] * 3 + [(128, 256, 16, 2)]
STAGES += [(256, 256, 8, 1)] * 3 + [(256, 512, 8, 2)] + [(512, 512, 4, 1)] * 3
LIF_RATES = (27.828, 19.727, 23.881, 17.381, 25.658, 19.541, 18.871, 9.919, 17.236)
LIF_RATES += (14.486, 12.91, 8.546, 9.847, 8.887, 4.845, 6.161, 4.651)
CLIF_RATES = (24.552, 17.135, 17.304, 13.42, 18.855, 15.632, 15.024, 8.242, 13.895)
CLIF_RATES += (12.87, 10.686, 7.517, 8.341, 7.368, 2.895, 4.127, 3.685)


def published(name, rates, timesteps):
    samples, layers, neurons = 1000, [], []
    seen = {"input_kind": "analog", "has_bias": True, "samples": samples, "timesteps": timesteps}
    seen |= dict.fromkeys(("dense_macs_total", "dense_macs_valid_total", "effective_synops_total"), 1)
    seen |= {"input_nonzero_total": 1}
    for index, (before, after, side, stride) in enumerate([(3, 64, 32, 1), *STAGES]):
        shapes = {"weight_shape": (after, before, 3, 3), "input_shape": (before, side, side)}
        shapes |= {"output_shape": (after, side // stride, side // stride), "stride": (stride, stride)}
        layers.append(LayerCount(name=f"conv{index}", kind="conv2d", **shapes, **seen))
        units = after * (side // stride) ** 2
        total = round(rates[index] / 100 * units * timesteps * samples)
        counted = {"units": units, "samples": samples, "timesteps": timesteps, "spikes_total": total}
        says = {"neuron": name, "spiking": name != "relu", "ops_per_update": {}, "state_words": 1}
        neurons.append(NeuronCount(name=f"neuron{index}", **says, **counted))
    shapes = {"weight_shape": (10, 512), "input_shape": (512,), "output_shape": (10,)}
    layers.append(LayerCount(name="fc", kind="linear", **shapes, **seen))
    return Counts(samples=samples, timesteps=timesteps, layers=layers, neurons=neurons, other_ops=[])


@pytest.mark.parametrize(
    ("name", "rates", "timesteps", "microjoule"),
    [("lif", LIF_RATES, 6, 34_530), ("clif", CLIF_RATES, 6, 64_829), ("relu", [0.0] * 17, 1, 111_662)],
)
def test_clifs_script_on_its_own_network(name, rates, timesteps, microjoule):
    found = estimate("clif", published(name, rates, timesteps))
    assert round(found.pj_per_sample / 1e6) == microjoule
