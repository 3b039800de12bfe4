"""Energy of a two-layer network, worked out by hand under every table."""

import pytest

from bench.energy.estimate import estimate_energy
from bench.energy.table import load_table, table_names
from bench.records.counts import Counts, LayerCount, NeuronCount, OtherOps

LIF = {"mul": 2.0, "add": 1.0, "sub": 1.0, "compare": 1.0}
CLIF = {"mul": 4.0, "add": 3.0, "sub": 1.0, "compare": 1.0, "sigmoid": 2.0}
SAMPLES, TIMESTEPS = 10, 4


def layer(**changes):
    fields = {
        "name": "fc",
        "kind": "linear",
        "input_kind": "binary",
        "weight_shape": (5, 8),
        "input_shape": (8,),
        "output_shape": (5,),
        "has_bias": True,
        "samples": SAMPLES,
        "timesteps": TIMESTEPS,
        "dense_macs_total": 1600,
        "dense_macs_valid_total": 1600,
        "effective_synops_total": 300,
        "input_nonzero_total": 60,
    }
    return LayerCount(**(fields | changes))


STEM = layer(
    name="stem",
    input_kind="analog",
    dense_macs_total=4000,
    dense_macs_valid_total=4000,
    effective_synops_total=3000,
    static_input=True,
)
BIAS = [
    OtherOps(name="stem", column="bias", ops_per_sample={"add": 40}),
    OtherOps(name="fc", column="bias", ops_per_sample={"add": 20}),
]


def neuron(ops, name="lif", timesteps=TIMESTEPS):
    return NeuronCount(
        name="neuron",
        neuron=name,
        spiking=True,
        units=8,
        samples=SAMPLES,
        timesteps=timesteps,
        spikes_total=60,
        ops_per_update=ops,
        state_words=1,
    )


def counts(**changes):
    fields = {
        "samples": SAMPLES,
        "timesteps": TIMESTEPS,
        "layers": [STEM, layer()],
        "neurons": [neuron(LIF)],
        "other_ops": [
            *BIAS,
            OtherOps(name="bn", column="norm", ops_per_sample={"mul": 32, "add": 32}),
            OtherOps(name="pool", column="pooling", ops_per_sample={"compare": 7}),
            OtherOps(name="block", column="residual", ops_per_sample={"add": 11}),
            OtherOps(name="readout", column="readout", ops_per_sample={"add": 15, "mul": 5}),
        ],
    }
    return Counts(**(fields | changes))


# add, multiply
PRICES = {
    "horowitz-fp32": (0.9, 3.7),
    "horowitz-fp16": (0.4, 1.1),
    "horowitz-int8": (0.03, 0.2),
    "horowitz-int8-acc32": (0.1, 0.2),
    "horowitz-int32": (0.1, 3.1),
}


@pytest.mark.parametrize("table", sorted(PRICES))
def test_a_two_layer_network_by_hand(table):
    add, mul = PRICES[table]
    mac = add + mul
    found = estimate_energy(counts(), table)
    expected = {
        "synapse": 400 * mac + 30 * add,
        "synapse_dense": 400 * mac + 30 * add,
        "synapse_zero_skipping": 300 * mac + 30 * add,
        "bias": 60 * add,
        "norm": 32 * (mul + add),
        "pooling": 7 * add,
        "residual": 11 * add,
        "encoder": 0.0,
        "readout": 15 * add + 5 * mul,
        "neuron": 8 * 4 * (2 * mul + 3 * add),
    }
    assert {name: getattr(found, f"{name}_pj_per_sample") for name in expected} == pytest.approx(expected, rel=1e-12)
    rest = sum(value for name, value in expected.items() if not name.startswith("synapse"))
    assert found.total_pj_per_sample == pytest.approx(400 * mac + 30 * add + rest)
    assert found.total_dense_pj_per_sample == found.total_pj_per_sample
    assert found.total_zero_skipping_pj_per_sample == pytest.approx(300 * mac + 30 * add + rest)
    # the stem once instead of four times: 100 MACs and 10 additions of its bias
    assert found.total_cached_pj_per_sample == pytest.approx(100 * mac + 30 * add + rest - 30 * add)
    assert found.total_sigmoid_free_pj_per_sample == pytest.approx(found.total_pj_per_sample)
    assert (found.memory_pj_per_sample, found.addressing_pj_per_sample, found.unpriced) == (None, None, ())


def test_fp32_in_plain_numbers():
    found = estimate_energy(counts(), "horowitz-fp32")
    assert found.synapse_pj_per_sample == pytest.approx(1867.0)
    assert found.neuron_pj_per_sample == pytest.approx(323.2)
    assert found.total_pj_per_sample == pytest.approx(1867.0 + 54 + 147.2 + 6.3 + 9.9 + 32.0 + 323.2)


def test_the_headline_follows_the_rule_that_was_chosen():
    dense = estimate_energy(counts(), "horowitz-fp32")
    skipping = estimate_energy(counts(), "horowitz-fp32", zero_skipping=True)
    assert skipping.synapse_pj_per_sample == dense.synapse_zero_skipping_pj_per_sample == pytest.approx(1407.0)
    assert skipping.total_pj_per_sample == dense.total_zero_skipping_pj_per_sample
    assert skipping.synapse_dense_pj_per_sample == dense.synapse_pj_per_sample
    assert skipping.layers[0].operations_per_sample == 300 and dense.layers[0].operations_per_sample == 400


def test_graded_layers_pay_an_accumulate_per_level_and_show_the_macs():
    graded = layer(input_kind="graded", input_unit=0.25, input_levels=4, graded_acs_total=900)
    (row,) = estimate_energy(counts(layers=[graded]), "horowitz-fp32").layers
    assert (row.operation, row.operations_per_sample) == ("ac", 90)
    assert row.pj_per_sample == pytest.approx(81.0)
    assert row.effective_mac_pj_per_sample == pytest.approx(30 * 4.6)


def test_ternary_layers_pay_one_accumulate_per_synop():
    (row,) = estimate_energy(counts(layers=[layer(input_kind="ternary")]), "horowitz-fp32").layers
    assert (row.operation, row.pj_per_sample) == ("ac", pytest.approx(27.0))


def test_a_static_image_anns_energy_knows_no_timesteps_of_other_entries():
    relu = neuron({"compare": 1.0}, "relu", timesteps=1)
    ann = layer(input_kind="analog", timesteps=1, dense_macs_total=400)
    once = [OtherOps(name="fc", column="bias", ops_per_sample={"add": 5})]
    found = estimate_energy(counts(timesteps=1, layers=[ann], neurons=[relu], other_ops=once), "horowitz-fp32")
    assert found.synapse_pj_per_sample == pytest.approx(40 * 4.6)
    assert found.total_pj_per_sample == pytest.approx(40 * 4.6 + 5 * 0.9 + 8 * 0.9)
    assert found.total_cached_pj_per_sample == pytest.approx(found.total_pj_per_sample)
    # what the counts say is all there is: the suite's T, in `Counts.timesteps`, multiplies nothing
    assert (
        estimate_energy(
            counts(timesteps=6, layers=[ann], neurons=[relu], other_ops=once), "horowitz-fp32"
        ).total_pj_per_sample
        == found.total_pj_per_sample
    )


@pytest.mark.parametrize("table", sorted(PRICES))
def test_a_clif_update_costs_more_than_a_lif_update_even_with_free_sigmoids(table):
    lif = estimate_energy(counts(), table)
    clif = estimate_energy(counts(neurons=[neuron(CLIF, "clif")]), table)
    assert clif.neuron_pj_per_sample > lif.neuron_pj_per_sample
    assert clif.total_sigmoid_free_pj_per_sample > lif.total_pj_per_sample
    sigmoids = 8 * TIMESTEPS * 2 * load_table(table).operation_pj["sigmoid"]
    assert clif.total_pj_per_sample - clif.total_sigmoid_free_pj_per_sample == pytest.approx(sigmoids)
    assert clif.total_sigmoid_tenfold_pj_per_sample - clif.total_pj_per_sample == pytest.approx(9 * sigmoids)


def without(table, *operations):
    full = load_table(table)
    prices = {name: price for name, price in full.operation_pj.items() if name not in operations}
    return full.model_copy(update={"operation_pj": prices})


def test_an_operation_without_a_price_is_not_available_rather_than_free():
    found = estimate_energy(counts(neurons=[neuron(CLIF, "clif")]), without("horowitz-fp32", "sigmoid"))
    assert found.neuron_pj_per_sample is None
    assert found.total_pj_per_sample is None and found.total_cached_pj_per_sample is None
    assert found.total_sigmoid_free_pj_per_sample is None
    assert found.synapse_pj_per_sample == pytest.approx(1867.0)
    assert found.bias_pj_per_sample == pytest.approx(54.0)
    assert found.unpriced == ("neuron: sigmoid",)


def test_a_table_of_synops_has_no_price_for_an_analog_layer_and_keeps_the_spiking_ones():
    found = estimate_energy(counts(), without("horowitz-fp32", "mac"))
    assert found.synapse_pj_per_sample is None and found.total_pj_per_sample is None
    assert [row.pj_per_sample for row in found.layers] == [None, pytest.approx(27.0)]
    assert found.unpriced == ("stem: mac",)


def test_no_work_costs_nothing_even_without_a_price():
    silent = layer(effective_synops_total=0, input_nonzero_total=0)
    empty = counts(layers=[silent], neurons=[neuron({"sigmoid": 0.0})], other_ops=[])
    found = estimate_energy(empty, without("horowitz-fp32", "ac", "sigmoid"))
    assert found.total_pj_per_sample == 0.0 and found.unpriced == ()


def test_work_that_was_not_counted_leaves_no_total():
    found = estimate_energy(counts(not_counted=["attention: aten.bmm"]), "horowitz-fp32")
    assert found.not_counted == ("attention: aten.bmm",)
    totals = [getattr(found, name) for name in dir(found) if name.startswith("total_")]
    assert len(totals) == 6 and set(totals) == {None}
    # what was not counted may be synapses
    assert found.synapse_pj_per_sample is None and found.synapse_zero_skipping_pj_per_sample is None


def test_energy_is_linear_in_what_was_counted():
    twice = [row.model_copy(update={"samples": SAMPLES // 2}) for row in counts().layers]
    for table in table_names():
        one = estimate_energy(counts(), table).synapse_pj_per_sample
        two = estimate_energy(counts(layers=twice), table).synapse_pj_per_sample
        if one is not None:
            assert two == pytest.approx(2 * one)
