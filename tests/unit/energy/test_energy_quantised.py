"""A conventional network with as many activation levels as spikes can tell, by hand."""

import pytest
from support.energy import SAMPLES, STEM_MACS, SYNOPS, ann, conv, network, neuron, stem

from bench.energy.estimate import estimate_energy
from bench.energy.narrow import narrowed
from bench.energy.quantised import activation_bits, estimate_quantised
from bench.energy.rules.base import rule_called
from bench.energy.table import load_table


def test_bits_tell_0_to_t_spikes_apart():
    assert [activation_bits(t) for t in (1, 2, 3, 4, 7, 8, 15, 16)] == [1, 2, 2, 3, 3, 4, 4, 5]


def test_only_the_multiplication_shrinks_in_a_table_without_memory():
    full, found = (estimate_energy(ann(), "horowitz-fp32"), estimate_quantised(ann(), load_table("horowitz-fp32"), 4))
    macs = STEM_MACS + 73728
    assert found.synapse_pj_per_sample == pytest.approx(macs * (0.9 + 3.7 * 3 / 32))
    assert found.total_pj_per_sample == pytest.approx(full.total_pj_per_sample - macs * 3.7 * 29 / 32)
    assert found.total_zero_skipping_pj_per_sample == pytest.approx(
        full.total_zero_skipping_pj_per_sample - 41000 * 3.7 * 29 / 32
    )


def test_accesses_to_activations_shrink_and_those_to_weights_do_not():
    found = estimate_quantised(ann(), load_table("horowitz-memory"), 7)
    full = estimate_energy(ann(), "horowitz-memory")
    small, factor = 5 / 8192, 3 / 32
    activations = STEM_MACS * 512 * small + 1024 * 4096 * small + 73728 * 4096 * small + 512 * 2048 * small
    assert found.memory_pj_per_sample == pytest.approx(full.memory_pj_per_sample - activations * (1 - factor))


def test_more_bits_than_the_table_has_change_nothing():
    table = load_table("horowitz-int8")
    assert narrowed(table, 9).operation_pj["mac"] == pytest.approx(table.operation_pj["mac"])


def test_what_cannot_be_quantised_is_not_available():
    assert estimate_quantised(network(), load_table("horowitz-fp32"), 4) is None
    alone = load_table("loihi").model_copy(update={"rest": None, "rest_table": None})
    assert estimate_quantised(ann(), alone, 4) is None
    unknown = load_table("horowitz-fp32").model_copy(update={"bits": None})
    assert estimate_quantised(ann(), unknown, 4) is None


def test_the_layer_that_sees_the_image_keeps_its_price():
    counts = ann()
    layers = [layer.model_copy(update={"network_input": layer.name == "stem"}) for layer in counts.layers]
    found = estimate_quantised(counts.model_copy(update={"layers": layers}), load_table("horowitz-fp32"), 4)
    assert found.synapse_pj_per_sample == pytest.approx(STEM_MACS * 4.6 + 73728 * (0.9 + 3.7 * 3 / 32))


def test_counts_of_events_in_the_first_layer_are_charged_in_full_and_the_rest_is_quantised():
    counts, table = ann(), load_table("horowitz-fp32")
    first = {"network_input": True, "input_kind": "graded"}
    layers = [layer.model_copy(update=first) if layer.name == "stem" else layer for layer in counts.layers]
    graded = counts.model_copy(update={"layers": layers})
    full, found = estimate_energy(graded, table), estimate_quantised(graded, table, 4)
    assert found.synapse_pj_per_sample == pytest.approx(full.synapse_pj_per_sample - 73728 * 3.7 * 29 / 32)
    within = [layer.model_copy(update={"input_kind": "graded"}) for layer in counts.layers]
    assert estimate_quantised(counts.model_copy(update={"layers": within}), table, 4) is None


def quantised(layer, **changes):
    return layer.model_copy(update=changes)


def test_a_multiplication_costs_in_proportion_to_both_widths():
    first, second = ann().layers
    narrow = quantised(second, input_bits=3, weight_bits=4)
    counts = ann().model_copy(update={"layers": [quantised(first, weight_bits=8), narrow]})
    found = estimate_energy(counts, "horowitz-fp32")
    by_hand = STEM_MACS * (0.9 + 3.7 * 8 / 32) + 73728 * (0.9 + 3.7 * 3 * 4 / 32**2)
    assert found.synapse_dense_pj_per_sample == pytest.approx(by_hand)
    skipping = 10000 * (0.9 + 3.7 * 8 / 32) + 31000 * (0.9 + 3.7 * 3 * 4 / 32**2)
    assert found.synapse_zero_skipping_pj_per_sample == pytest.approx(skipping)


def test_a_table_of_eight_bits_charges_no_more_for_wider_numbers():
    counts = ann().model_copy(
        update={"layers": [quantised(each, input_bits=16, weight_bits=9) for each in ann().layers]}
    )
    for table in ("horowitz-int8", "horowitz-int8-acc32"):
        assert estimate_energy(counts, table) == estimate_energy(ann(), table)


def test_accumulates_keep_their_price_and_fetches_of_weights_shrink():
    layers = [stem(), quantised(conv(), weight_bits=4)]
    found = estimate_energy(network(layers=layers), "horowitz-memory")
    full = estimate_energy(network(), "horowitz-memory")
    assert found.synapse_pj_per_sample == pytest.approx(full.synapse_pj_per_sample)
    small = 4608 * 4 * 5 / 8192 if 4608 * 4 <= 8192 else 5 + (4608 * 4 - 8192) * 5 / (32768 - 8192)
    saved = (SYNOPS * small + 4608 * 650) * (1 - 4 / 32)
    assert full.memory_pj_per_sample - found.memory_pj_per_sample == pytest.approx(saved)


def test_a_table_without_a_width_charges_as_ever():
    counts = network(layers=[stem(), quantised(conv(), weight_bits=4)])
    table = load_table("horowitz-fp32").model_copy(update={"bits": None})
    assert estimate_energy(counts, table) == estimate_energy(network(), table)


def test_zero_weights_are_skipped_with_zero_inputs_and_by_spikes():
    pruned = conv(zero_weights=2304, synops_without_zero_weights_total=1000 * SAMPLES)
    found = estimate_energy(network(layers=[stem(), pruned]), "horowitz-memory")
    full = estimate_energy(network(), "horowitz-memory")
    assert found.total_dense_pj_per_sample == pytest.approx(full.total_dense_pj_per_sample)
    weight = 5 + (4608 * 4 - 8192) * 5 / (32768 - 8192)
    potential = 512 * 4 * 5 / 8192
    saved = 2000 * (0.9 + weight + 2 * potential) + 2304 * 650
    assert full.total_zero_skipping_pj_per_sample - found.total_zero_skipping_pj_per_sample == pytest.approx(saved)


def test_zero_weights_of_graded_spikes_meet_as_many_levels_as_others():
    graded = {"input_kind": "graded", "input_unit": 0.5, "input_levels": 4, "graded_acs_total": 6000 * SAMPLES}
    pruned = conv(zero_weights=9, synops_without_zero_weights_total=1000 * SAMPLES, **graded)
    found = estimate_energy(network(layers=[stem(), pruned]), "horowitz-fp32")
    first = estimate_energy(network(layers=[stem()]), "horowitz-fp32")
    assert found.synapse_dense_pj_per_sample - first.synapse_dense_pj_per_sample == pytest.approx(6000 * 0.9)
    skipping = found.synapse_zero_skipping_pj_per_sample - first.synapse_zero_skipping_pj_per_sample
    assert skipping == pytest.approx(2000 * 0.9)


def test_published_terms_skip_pairs_with_zero_weights_alike():
    pruned = conv(zero_weights=9, synops_without_zero_weights_total=1500 * SAMPLES)
    found, full = (estimate_energy(network(layers=[stem(), each]), "lemaire") for each in (pruned, conv()))
    assert found.total_dense_pj_per_sample == pytest.approx(full.total_dense_pj_per_sample)
    rule, memory = rule_called("lemaire"), load_table("lemaire").memory
    work, whole = rule.layer(pruned, True, memory), rule.layer(conv(), True, memory)
    assert work.operations["ac"] == pytest.approx(whole.operations["ac"] / 2)
    halved = {"weight", "potential"}
    for access, before in zip(work.accesses, whole.accesses, strict=True):
        assert access.per_sample == pytest.approx(before.per_sample / (2 if access.purpose in halved else 1))


def test_what_addresses_cost_does_not_depend_on_the_width_of_weights():
    found, full = (
        estimate_energy(network(layers=[stem(), each]), "lemaire")
        for each in (quantised(conv(), weight_bits=4), conv())
    )
    assert found.addressing_pj_per_sample == full.addressing_pj_per_sample > 0
    assert found.memory_pj_per_sample < full.memory_pj_per_sample


def test_a_network_that_is_quantised_is_not_quantised_once_more():
    first, second = ann().layers
    counts = ann().model_copy(update={"layers": [first, quantised(second, input_bits=3, weight_bits=3)]})
    assert estimate_quantised(counts, load_table("horowitz-fp32"), 4) is None


def test_a_mac_in_place_of_a_synop_is_priced_at_the_widths_of_the_layer():
    counts = network(layers=[stem(), quantised(conv(), weight_bits=4)])
    found = estimate_energy(counts, "horowitz-fp32").layers[1]
    assert found.effective_mac_pj_per_sample == pytest.approx(SYNOPS * (0.9 + 3.7 * 4 / 32))


@pytest.mark.parametrize("table", ["horowitz-fp32", "horowitz-memory", "lemaire"])
def test_what_grows_with_spikes_leaves_out_zero_weights_where_the_total_does(table):
    fired = {"zero_weights": 2304, "synops_without_zero_weights_total": 1000 * SAMPLES}
    silent = {"effective_synops_total": 0, "input_nonzero_total": 0, "synops_without_zero_weights_total": 0}
    found = estimate_energy(network(layers=[stem(), conv(**fired)]), table)
    quiet = [conv(**fired | silent)], [neuron(spikes_total=0)]
    still = estimate_energy(network(layers=[stem(), *quiet[0]], neurons=quiet[1]), table)
    for mode in ("dense", "zero_skipping"):
        grown = found.figure("total", mode) - still.figure("total", mode)
        assert found.figure("per_spike", mode) == pytest.approx(grown)
    assert found.figure("per_spike", "zero_skipping") < found.figure("per_spike", "dense")
