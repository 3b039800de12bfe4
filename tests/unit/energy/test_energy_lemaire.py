"""Lemaire et al. 2022, term by term, on layers small enough to count by hand."""

import pytest
from support.energy import CLIF, LIF, SAMPLES, STEM_MACS, T, conv, linear, network, neuron, relu, stem

from bench.energy.estimate import estimate_energy
from bench.energy.rules.lemaire import Lemaire
from bench.energy.table import load_table
from bench.energy.work import Access

MEMORY = load_table("lemaire").memory
RULE = Lemaire()
SRAM = 10 / 8192  # pJ per access and byte of the memory, up to 8 kB
FIFO = 4000 * SRAM


def test_a_spiking_convolution_of_stride_2_rounds_up():
    work = RULE.layer(conv(), False, MEMORY)
    # 50 spikes; ceil(3/2) = 2 steps in each direction; 32 outputs; 9 taps
    assert work.operations == {"ac": 50 * 2 * 2 * 32}
    assert work.addressing == {"mac": 100, "ac": 50 * 32 * 9}
    assert work.accesses == (
        Access("input", 50, 1000, per_spike=True),
        Access("weight", 50 * 32 * 9, 4608, per_spike=True),
        Access("potential", 2 * 50 * 32 * 9, 512, per_spike=True),
        Access("bias", T * 512, 32),
    )
    assert work == RULE.layer(conv(), True, MEMORY)


def test_channels_are_per_group_and_stride_1_takes_the_whole_kernel():
    grouped = conv(groups=4, weight_shape=(32, 4, 3, 3), stride=(1, 1), has_bias=False)
    work = RULE.layer(grouped, False, MEMORY)
    assert work.operations == {"ac": 50 * 9 * 8}
    assert work.accesses[1] == Access("weight", 50 * 8 * 9, 32 * 4 * 9, per_spike=True)


def test_a_transposed_convolution_meets_its_whole_kernel_whatever_the_stride():
    up = conv(kind="conv_transpose2d", weight_shape=(16, 32, 3, 3), has_bias=False)
    assert RULE.layer(up, False, MEMORY).operations == {"ac": 50 * 9 * 32}


def test_a_spiking_linear_layer():
    work = RULE.layer(linear(), False, MEMORY)
    assert work.operations == {"ac": 70 * 10} and work.addressing == {"ac": 70 * 10}
    assert work.accesses == (
        Access("input", 70, 1000, per_spike=True),
        Access("weight", 700, 5120, per_spike=True),
        Access("potential", 1400, 10, per_spike=True),
        Access("bias", T * 10, 10),
    )


def test_an_analog_convolution_is_the_conventional_one_times_t():
    work = RULE.layer(stem(has_bias=True), False, MEMORY)
    assert work.operations == {"mac": STEM_MACS * T}
    assert work.addressing == {"ac": T * (2 * 8 * 8 + 16 * 8 * 8 + 16 * 9)}
    assert work.accesses == (
        Access("input", STEM_MACS * T, 128),
        Access("weight", STEM_MACS * T, 288),
        Access("output", T * 1024, 1024),
        Access("bias", T * 1024, 16),
    )
    skipping = RULE.layer(stem(), True, MEMORY)
    assert skipping.operations == {"mac": 10000 * T}
    assert [access.per_sample for access in skipping.accesses] == [10000 * T, 10000 * T, T * 1024]


def test_an_analog_linear_layer_reads_each_input_once():
    once = linear(
        input_kind="analog",
        timesteps=1,
        dense_macs_total=5120 * SAMPLES,
        effective_synops_total=3000 * SAMPLES,
        input_nonzero_total=300 * SAMPLES,
    )
    work = RULE.layer(once, False, MEMORY)
    assert work.operations == {"mac": 5120} and work.addressing == {"ac": 512 + 10}
    assert work.accesses == (
        Access("input", 512, 512),
        Access("weight", 5120, 5120),
        Access("output", 10, 10),
        Access("bias", 10, 10),
    )
    skipping = RULE.layer(once, True, MEMORY)
    assert [access.per_sample for access in skipping.accesses] == [300, 3000, 10, 10]


def test_a_graded_spike_is_added_once_per_level_and_read_once():
    graded = conv(input_kind="graded", graded_acs_total=3 * 3000 * SAMPLES)
    work = RULE.layer(graded, False, MEMORY)
    assert work.operations == {"ac": pytest.approx(3 * 6400)}
    assert work.accesses == RULE.layer(conv(), False, MEMORY).accesses


def test_a_silent_layer_does_nothing():
    silent = conv(input_kind="graded", graded_acs_total=0, effective_synops_total=0, input_nonzero_total=0)
    assert RULE.layer(silent, False, MEMORY).operations == {"ac": 0}


def test_lif_is_the_published_neuron_and_others_add_what_they_do_more():
    lif = RULE.neuron(neuron(LIF), MEMORY)
    assert lif.operations == {"mac": 1024 * T, "ac": 50}
    assert lif.accesses == (Access("state", 2 * 1024 * T, 1024), Access("output", 50, 1000, per_spike=True))
    clif = RULE.neuron(neuron(CLIF, 2), MEMORY)
    extra = {"mul": 2 * 1024 * T, "add": 2 * 1024 * T, "sigmoid": 2 * 1024 * T}
    assert clif.operations == {"mac": 1024 * T, "ac": 50, **extra}
    assert clif.accesses[0] == Access("state", 4 * 1024 * T, 1024)
    assert RULE.neuron(relu(), MEMORY).operations == {"compare": 1024}


def test_a_neuron_that_does_less_than_lif_costs_less_but_never_less_than_nothing():
    def neuron_pj(ops):
        return estimate_energy(network(neurons=[neuron(ops)]), "lemaire").neuron_pj_per_sample

    without_leak = neuron_pj({"mul": 1.0, "add": 1.0, "sub": 1.0, "compare": 1.0})
    assert without_leak == pytest.approx(neuron_pj(LIF) - 3.1 * 1024 * T)
    assert neuron_pj({"compare": 1.0}) == 0.0


def test_the_two_layer_network_by_hand():
    found = estimate_energy(network(), "lemaire")
    macs = STEM_MACS * T
    kernel = 10 + 10 * (4608 * 4 - 8192) / (32768 - 8192)
    met = 50 * 32 * 9
    expected = {
        "synapse": macs * 3.2 + 6400 * 0.1,
        "bias": 512 * T * 0.1,
        "neuron": 1024 * T * 3.2 + 50 * 0.1,
        "memory": macs * (512 + 1152) * SRAM
        + 1024 * T * 4096 * SRAM
        + (50 * FIFO + met * kernel + 2 * met * 2048 * SRAM + 512 * T * 128 * SRAM)
        + (2 * 1024 * T * 4096 * SRAM + 50 * FIFO),
        "addressing": T * (128 + 1024 + 144) * 0.1 + 100 * 3.2 + met * 0.1,
    }
    assert {name: getattr(found, f"{name}_pj_per_sample") for name in expected} == pytest.approx(expected)
    assert found.total_pj_per_sample == pytest.approx(sum(expected.values()))
    driven = 6400 * 0.1 + 50 * 0.1 + 100 * 3.2 + met * 0.1
    driven += 100 * FIFO + met * kernel + 2 * met * 2048 * SRAM
    assert found.per_spike_pj_per_sample == pytest.approx(driven)


def test_the_regression_differs_in_the_price_of_memory_alone():
    first, second = (estimate_energy(network(), name) for name in ("lemaire", "lemaire-regression"))
    assert first.synapse_pj_per_sample == second.synapse_pj_per_sample
    assert first.addressing_pj_per_sample == second.addressing_pj_per_sample
    macs, met = STEM_MACS * T, 50 * 32 * 9

    def word(words):
        return 13.2 + 1.09e-5 * 32 * words

    expected = macs * (word(128) + word(288)) + 1024 * T * word(1024)
    expected += 100 * word(1000) + met * word(4608) + 2 * met * word(512) + 512 * T * word(32)
    expected += 2 * 1024 * T * word(1024)
    assert second.memory_pj_per_sample == pytest.approx(expected)


def test_clif_pays_for_its_sigmoids_and_its_second_state():
    lif, clif = (estimate_energy(network(neurons=[n]), "lemaire") for n in (neuron(LIF), neuron(CLIF, 2)))
    updates = 1024 * T
    assert clif.neuron_pj_per_sample - lif.neuron_pj_per_sample == pytest.approx(
        updates * (2 * 3.1 + 2 * 0.1 + 2 * 12.8)
    )
    assert clif.memory_pj_per_sample - lif.memory_pj_per_sample == pytest.approx(2 * updates * 4096 * SRAM)
    assert clif.total_sigmoid_free_pj_per_sample == pytest.approx(clif.total_pj_per_sample - updates * 25.6)
    assert clif.total_sigmoid_tenfold_pj_per_sample == pytest.approx(clif.total_pj_per_sample + 9 * updates * 25.6)
