"""A conventional network with as many activation levels as spikes can tell, by hand."""

import pytest
from support.energy import STEM_MACS, ann, network

from bench.energy.estimate import estimate_energy
from bench.energy.narrow import narrowed
from bench.energy.quantised import activation_bits, estimate_quantised
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
