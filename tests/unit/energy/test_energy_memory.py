"""Memory: a price by size, and what a network costs when its accesses are charged."""

import pytest
from support.energy import CLIF, SAMPLES, STEM_MACS, SYNOPS, T, ann, conv, network, neuron, stem

from bench.energy.estimate import estimate_energy
from bench.energy.memory import AccessPrice
from bench.energy.table import load_table, table_names
from bench.errors import TableError

TABLE = """
title = "Mine"
source = "measured"
node_nm = 7
precision = "int8"
bits = 8
scope = "compute and weights"
[operation_pj]
ac = 1
mac = 2
[memory]
accesses = "per-operation"
word_bits = 8
prices = { weight = { base_pj = 3 } }
"""


@pytest.mark.parametrize(("table", "at"), [("lemaire", (10, 20, 100)), ("horowitz-memory", (5, 10, 50))])
def test_the_price_is_continuous_at_its_points_and_flat_above_the_last(table, at):
    price = load_table(table).memory.price
    sizes = (8192, 32768, 1048576)
    assert price.of(0) == 0.0 and price.of(4096) == at[0] / 2
    for size, pj in zip(sizes, at, strict=True):
        assert price.of(size) == pj
        assert price.of(size * (1 - 1e-9)) == pytest.approx(pj, rel=1e-6)
        assert price.of(size * (1 + 1e-9)) == pytest.approx(pj, rel=1e-6)
    assert price.of(20480) == pytest.approx((at[0] + at[1]) / 2)
    assert price.of(2 * 1048576) == price.of(1e12) == at[2]


def test_the_regression_is_a_line_in_bits_without_an_end():
    price = load_table("lemaire-regression").memory.price
    assert price.of(0) == 13.2
    assert price.of(8192) == pytest.approx(13.2 + 1.09e-5 * 65536)
    assert price.of(4 * 1048576) == pytest.approx(13.2 + 1.09e-5 * 8 * 4 * 1048576)


def test_horowitz_memory_by_hand():
    found = estimate_energy(network(), "horowitz-memory")
    macs = STEM_MACS * T
    small = 5 / 8192  # pJ per access and byte below 8 kB
    weights = 5 + 5 * (4608 * 4 - 8192) / (32768 - 8192)
    stem_pj = macs * (288 * 4 * small + 128 * 4 * small) + 1024 * T * 4096 * small
    conv_pj = SYNOPS * weights + 50 * 4096 * small + 2 * SYNOPS * 2048 * small + 512 * T * 128 * small
    neuron_pj = (2 * 1024 * T + 1024 + 50) * 4096 * small  # read and written, cleared once, and the spikes
    load = 650 * (288 + 4608)
    assert found.memory_pj_per_sample == pytest.approx(stem_pj + conv_pj + neuron_pj + load)
    assert [layer.memory_pj_per_sample for layer in found.layers] == pytest.approx(
        [stem_pj + 650 * 288, conv_pj + 650 * 4608]
    )
    compute = estimate_energy(network(), "horowitz-fp32")
    assert found.synapse_pj_per_sample == compute.synapse_pj_per_sample
    assert found.total_pj_per_sample == pytest.approx(compute.total_pj_per_sample + found.memory_pj_per_sample)
    assert found.addressing_pj_per_sample is None
    # the stem once instead of four times, but its weights come from DRAM once either way
    saved = 0.75 * (macs * 4.6 + stem_pj)
    assert found.total_cached_pj_per_sample == pytest.approx(found.total_pj_per_sample - saved)


def test_horowitz_int8_memory_by_hand():
    found = estimate_energy(network(), "horowitz-int8-memory")
    macs = STEM_MACS * T
    byte, wide = 1.25 / 8192, 5 / 8192  # pJ per access and byte below 8 kB, of words of 8 and of 32 bits
    stem_pj = macs * (288 + 128) * byte + 1024 * T * 1024 * byte
    conv_pj = SYNOPS * 4608 * byte + 50 * 1024 * byte + 2 * SYNOPS * 512 * 4 * wide + 512 * T * 32 * 4 * wide
    neuron_pj = (2 * 1024 * T + 1024) * 1024 * 4 * wide + 50 * 1024 * byte
    load = 162.5 * (288 + 4608)
    assert found.memory_pj_per_sample == pytest.approx(stem_pj + conv_pj + neuron_pj + load, rel=1e-12)
    compute = estimate_energy(network(), "horowitz-int8-acc32")
    assert found.total_pj_per_sample == pytest.approx(compute.total_pj_per_sample + found.memory_pj_per_sample)
    memory = load_table("horowitz-int8-memory").memory
    assert [memory.access_pj("potential", words) for words in (2048, 8192, 262144, 10**6)] == [5.0, 10.0, 50.0, 50.0]
    assert [memory.access_pj("weight", words) for words in (8192, 32768, 2**20)] == [1.25, 2.5, 12.5]


def test_yan_by_hand():
    found = estimate_energy(network(), "yan-2024-22nm")
    macs, updates = STEM_MACS * T, 1024 * T
    assert found.synapse_pj_per_sample == pytest.approx(macs * 0.45625 + SYNOPS * 0.05448)
    assert found.neuron_pj_per_sample == pytest.approx(updates * (2 * 0.23125 + 3 * 0.05448))
    memory = 160 * (macs + SYNOPS) + 2 * (1024 * T + 2 * updates + 1024 + 50)
    assert found.memory_pj_per_sample == pytest.approx(memory)
    rest = found.synapse_pj_per_sample + found.neuron_pj_per_sample + 512 * T * 0.05448
    assert found.total_pj_per_sample == pytest.approx(rest + memory)


@pytest.mark.parametrize(
    "table", ["horowitz-memory", "horowitz-int8-memory", "lemaire", "lemaire-regression", "yan-2024-22nm"]
)
def test_memory_is_priced_by_size_and_not_by_the_number_of_accesses(table):
    def memory(synops, spikes):
        layer = conv(effective_synops_total=synops, input_nonzero_total=spikes, has_bias=False)
        return estimate_energy(network(layers=[layer], neurons=[], other_ops=[]), table).memory_pj_per_sample

    nothing = memory(0, 0)
    once = memory(SYNOPS * SAMPLES, 50 * SAMPLES) - nothing
    assert once > 0
    for times in (2, 1000):
        assert memory(times * SYNOPS * SAMPLES, times * 50 * SAMPLES) - nothing == pytest.approx(times * once)


@pytest.mark.parametrize("table", ["horowitz-memory", "horowitz-int8-memory", "lemaire", "lemaire-regression"])
def test_the_same_accesses_to_a_larger_memory_cost_more(table):
    small = estimate_energy(network(layers=[conv(has_bias=False)], other_ops=[]), table)
    large = conv(has_bias=False, weight_shape=(32, 64, 3, 3))
    found = estimate_energy(network(layers=[large], other_ops=[]), table)
    assert found.synapse_pj_per_sample == small.synapse_pj_per_sample
    assert found.memory_pj_per_sample > small.memory_pj_per_sample


@pytest.mark.parametrize(
    "table", ["horowitz-memory", "horowitz-int8-memory", "lemaire", "lemaire-regression", "yan-2024-22nm"]
)
def test_a_static_image_anns_energy_does_not_depend_on_any_t(table):
    once = estimate_energy(ann(), table)
    assert estimate_energy(ann().model_copy(update={"timesteps": 6}), table) == once
    assert once.total_cached_pj_per_sample == pytest.approx(once.total_pj_per_sample)


@pytest.mark.parametrize("table", [name for name in table_names() if not load_table(name).included])
def test_a_clif_update_costs_more_than_a_lif_update_in_every_table(table):
    lif = estimate_energy(network(), table)
    clif = estimate_energy(network(neurons=[neuron(CLIF, 2)]), table)
    assert clif.neuron_pj_per_sample > lif.neuron_pj_per_sample
    assert clif.total_sigmoid_free_pj_per_sample > lif.total_pj_per_sample
    if load_table(table).memory:
        assert clif.memory_pj_per_sample > lif.memory_pj_per_sample


def test_clif_reads_and_writes_a_second_state_word():
    lif = estimate_energy(network(), "yan-2024-22nm").memory_pj_per_sample
    clif = estimate_energy(network(neurons=[neuron(CLIF, 2)]), "yan-2024-22nm").memory_pj_per_sample
    assert clif - lif == pytest.approx((2 * 1024 * T + 1024) * 2.0)


def test_work_without_a_price_leaves_no_total_but_shows_the_rest(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text(TABLE)
    found = estimate_energy(network(), path)
    assert found.total_pj_per_sample is None and found.neuron_pj_per_sample is None
    assert found.unpriced == ("neuron: mul", "neuron: add", "neuron: sub", "neuron: compare", "conv: add")
    assert found.memory_pj_per_sample == pytest.approx(3 * (STEM_MACS * T + SYNOPS))


def test_the_part_that_spikes_cause_leaves_out_what_happens_anyway():
    found = estimate_energy(network(), "yan-2024-22nm")
    assert found.per_spike_pj_per_sample == pytest.approx(SYNOPS * (0.05448 + 160) + 50 * 2)
    silent = conv(effective_synops_total=0, input_nonzero_total=0)
    quiet = estimate_energy(network(layers=[stem(), silent], neurons=[neuron(spikes_total=0)]), "yan-2024-22nm")
    assert quiet.per_spike_pj_per_sample == 0.0
    assert found.total_pj_per_sample - quiet.total_pj_per_sample == pytest.approx(found.per_spike_pj_per_sample)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            '"per-operation"',
            '"per-layer"',
            r"memory\.accesses: unknown rule 'per-layer'; known: lemaire, per-operation",
        ),
        ('"per-operation"', '"lemair"', r"memory\.accesses: unknown rule 'lemair'; did you mean 'lemaire'\?"),
        ('"per-operation"', '"nowhere:Rule"', r"memory\.accesses: rule 'nowhere:Rule': there is no module 'nowhere'"),
        ("weight =", "wieght =", r"memory\.prices\.wieght"),
        ("base_pj = 3", "base_pj = -3", r"memory\.prices\.weight\.base_pj: Input should be greater"),
        ("base_pj = 3", "sizes_bytes = [8], pj = []", r"sizes_bytes and pj must be equally long"),
        ("base_pj = 3", "sizes_bytes = [8, 4], pj = [1, 2]", r"sizes_bytes must grow"),
    ],
)
def test_a_wrong_memory_is_named(tmp_path, old, new, message):
    path = tmp_path / "mine.toml"
    assert old in TABLE
    path.write_text(TABLE.replace(old, new))
    with pytest.raises(TableError, match=message):
        load_table(path)


def test_a_price_times_a_factor_is_that_at_every_size():
    price = AccessPrice(base_pj=1.0, pj_per_bit=0.5, sizes_bytes=[8.0, 16.0], pj=[4.0, 6.0])
    assert price.of(12) == pytest.approx(1 + 0.5 * 96 + 5)
    assert price.scaled(0.25).of(12) == pytest.approx(price.of(12) / 4)


@pytest.mark.parametrize("table", ["horowitz-fp32", "lemaire"])
def test_what_the_network_is_given_does_not_grow_with_its_firing_rate(table):
    """Events at the input cost what they cost; break-even is about the spikes that the network makes."""
    given = estimate_energy(network(layers=[conv(name="first", network_input=True), conv()]), table)
    inner = estimate_energy(network(layers=[conv(name="first"), conv()]), table)
    alone = estimate_energy(network(layers=[conv()]), table)
    assert given.total_pj_per_sample == inner.total_pj_per_sample
    assert given.per_spike_pj_per_sample == pytest.approx(alone.per_spike_pj_per_sample)
    assert inner.per_spike_pj_per_sample > given.per_spike_pj_per_sample
