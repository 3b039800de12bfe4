"""Hybrid totals, by hand: a chip prices what spikes, another table all else and networks without spikes."""

import re

import pytest
from support.energy import SYNOPS, T, ann, conv, network, neuron, relu, stem

from bench.energy.estimate import estimate_energy
from bench.energy.hybrid import synaptic_prices
from bench.energy.quantised import estimate_quantised
from bench.energy.table import load_table, table_names
from bench.errors import TableError, UnknownNameError
from bench.records.counts import OtherOps

CHIPS = [name for name in table_names() if load_table(name).rest]
MAC, ADD, MUL, LOGIC = 0.3, 0.1, 0.2, 0.003125  # of horowitz-int8-acc32, pJ
STEM = 73728 * MAC  # 18,432 MACs a pass, 4 passes
BIAS = 1024 * T * ADD  # of the stem
OUTSIDE = 640 * LOGIC + 40 * ADD + 10 * MUL

CHIP = """
title = "Mine"
source = "measured"
node_nm = 28
precision = "int4"
scope = "the chip"
rest = "horowitz-memory"
[operation_pj]
ac = 10
"""


def whole():
    """stem with bias, LIF, a maximum pool over spikes, conv with bias, readout."""
    return network(
        layers=[stem(has_bias=True), conv()],
        other_ops=[
            OtherOps(name="stem", column="bias", ops_per_sample={"add": 1024 * T}),
            OtherOps(name="pool", column="pooling", ops_per_sample={"logic": 640}),
            OtherOps(name="conv", column="bias", ops_per_sample={"add": 512 * T}),
            OtherOps(name="readout", column="readout", ops_per_sample={"add": 40, "mul": 10}),
        ],
    )


def test_the_chip_prices_what_spikes_and_the_other_table_all_else():
    found = estimate_energy(whole(), "odin")
    assert found.total_pj_per_sample == pytest.approx(SYNOPS * 12.7 + STEM + BIAS + OUTSIDE, rel=1e-12)
    assert found.total_pj_per_sample == pytest.approx(60636.0, rel=1e-12)
    assert found.total_zero_skipping_pj_per_sample == pytest.approx(60636.0 - (73728 - 40000) * MAC, rel=1e-12)
    assert found.total_cached_pj_per_sample == pytest.approx(60636.0 - (STEM + BIAS) * 3 / 4, rel=1e-12)
    assert found.synapse_pj_per_sample == pytest.approx(SYNOPS * 12.7 + STEM, rel=1e-12)
    assert (found.bias_pj_per_sample, found.pooling_pj_per_sample) == (pytest.approx(BIAS), pytest.approx(2.0))
    assert (found.neuron_pj_per_sample, found.memory_pj_per_sample, found.unpriced) == (None, None, ())
    assert [layer.name for layer in found.layers] == ["stem", "conv"]
    assert [layer.pj_per_sample for layer in found.layers] == [pytest.approx(STEM), pytest.approx(SYNOPS * 12.7)]
    assert found.per_spike_pj_per_sample == pytest.approx(SYNOPS * 12.7)
    assert found.at_least_pj_per_sample == pytest.approx(found.total_pj_per_sample)
    assert found.table.label == "odin+horowitz-int8-acc32"


def test_updates_and_spikes_are_the_chips():
    updates = 50 * 81.0 + (1024 * T - 50) * 52.0
    found = estimate_energy(whole(), "loihi")
    assert found.total_pj_per_sample == pytest.approx(
        SYNOPS * 23.6 + updates + 50 * 3.5 + STEM + BIAS + OUTSIDE, rel=1e-12
    )
    assert (found.neuron_pj_per_sample, found.addressing_pj_per_sample) == (updates, 175.0)


def test_a_neuron_that_does_not_spike_is_the_other_tables():
    counts = whole()
    counts = counts.model_copy(update={"neurons": [relu(), neuron()]})
    for chip, more in (("odin", 0.0), ("loihi", 50 * 81.0 + (1024 * T - 50) * 52.0)):
        found = estimate_energy(counts, chip)
        assert found.neuron_pj_per_sample == pytest.approx(1024 * ADD + more)
        assert [each.neuron for each in found.neurons] == ["relu", "lif"]


@pytest.mark.parametrize("chip", CHIPS)
def test_a_network_without_spikes_is_all_the_other_tables(chip):
    found, plain = estimate_energy(ann(), chip), estimate_energy(ann(), "horowitz-int8-acc32")
    assert found.parts == plain.parts and found.total_pj_per_sample == plain.total_pj_per_sample
    assert found.table.label == f"{chip}+horowitz-int8-acc32"
    narrow, plain_narrow = (estimate_quantised(ann(), load_table(t), T) for t in (chip, "horowitz-int8-acc32"))
    assert narrow.total_pj_per_sample == plain_narrow.total_pj_per_sample


def test_prices_of_synapses_are_the_chips_for_spikes_alone():
    table = load_table("odin")
    assert [synaptic_prices(whole(), table)[name] for name in ("ac", "mac")] == [12.7, MAC]
    assert [synaptic_prices(ann(), table)[name] for name in ("ac", "mac")] == [ADD, MAC]
    assert synaptic_prices(whole(), load_table("horowitz-fp32")) == load_table("horowitz-fp32").operation_pj


def test_memory_of_the_other_table_is_charged_for_its_part_alone(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text(CHIP + "add = 1\nmul = 1\nsub = 1\ncompare = 1\n")
    alone = network(layers=[stem()], neurons=[], other_ops=[])
    found, part = estimate_energy(network(), path), estimate_energy(alone, "horowitz-memory")
    neurons, bias = 5 * 1024 * T, 512 * T * 0.9  # two products, an addition, a subtraction and a comparison at 1 pJ
    assert found.memory_pj_per_sample == part.memory_pj_per_sample > 0
    assert found.total_pj_per_sample == pytest.approx(SYNOPS * 10 + neurons + bias + part.total_pj_per_sample)


def test_what_was_not_counted_leaves_no_hybrid_total():
    found = estimate_energy(whole().model_copy(update={"not_counted": ["attention"]}), "odin")
    assert found.total_pj_per_sample is None and found.not_counted == ("attention",)
    assert found.at_least_pj_per_sample == pytest.approx(60636.0)


def test_an_operating_point_has_no_part_that_grows_with_the_rate():
    found = estimate_energy(whole(), "truenorth-2014")
    assert found.per_spike_pj_per_sample is None and found.neuron_pj_per_sample is None
    assert found.total_pj_per_sample == pytest.approx(SYNOPS * 26.0 + STEM + BIAS + OUTSIDE, rel=1e-12)
    assert [name for name in table_names() if load_table(name).operating_point] == ["truenorth-2014"]


@pytest.mark.parametrize(
    ("rest", "message"),
    [
        ("horowitz-fp23", r"mine\.toml: rest: unknown table 'horowitz-fp23'; did you mean 'horowitz-fp32'\?"),
        ("mine", r"mine\.toml: rest: a table cannot leave the rest to itself; name another"),
        ("mine.toml", r"mine\.toml: rest: a table cannot leave the rest to itself; name another"),
        ("gone.toml", r"mine\.toml: rest: .*gone\.toml: cannot be read"),
        ("odin", "rest: 'odin' leaves its own rest to another; name a table that prices a whole network"),
        ("other.toml", "rest: 'other.toml' has no price of a mac; name a table that prices a whole network"),
    ],
)
def test_a_rest_that_cannot_be_used_is_named(tmp_path, rest, message):
    path = tmp_path / "mine.toml"
    (tmp_path / "other.toml").write_text(CHIP.replace('rest = "horowitz-memory"', ""))
    path.write_text(CHIP.replace("horowitz-memory", rest))
    with pytest.raises(TableError, match=message):
        load_table(path)


def test_a_chip_may_leave_the_rest_to_another_table_than_its_file_says():
    found = estimate_energy(whole(), "odin+horowitz-int8-memory")
    assert found.table.label == "odin+horowitz-int8-memory"
    alone = estimate_energy(network(layers=[stem(has_bias=True)], other_ops=[], neurons=[]), "horowitz-int8-memory")
    assert found.synapse_pj_per_sample == pytest.approx(SYNOPS * 12.7 + STEM, rel=1e-12)
    assert (
        found.memory_pj_per_sample == pytest.approx(alone.memory_pj_per_sample, rel=1e-12)
        and alone.memory_pj_per_sample
    )
    assert load_table("odin+horowitz-int8-acc32") == load_table("odin")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (
            "odin+horowitz-int8-memroy",
            "rest: unknown table 'horowitz-int8-memroy'; did you mean 'horowitz-int8-memory'",
        ),
        ("odinn+horowitz-fp32", "unknown table 'odinn'; did you mean 'odin'"),
        ("odin+", "rest: unknown table ''"),
        ("odin+loihi", "rest: 'loihi' leaves its own rest to another"),
        (
            "horowitz-fp32+odin",
            "'horowitz-fp32' prices all that it prices by itself and leaves no rest; say 'horowitz-fp32'",
        ),
    ],
)
def test_a_chip_with_a_rest_that_cannot_be_used_is_named(name, message):
    with pytest.raises((TableError, UnknownNameError), match=re.escape(message)):
        load_table(name)


def test_a_rest_may_lie_beside_the_table(tmp_path):
    (tmp_path / "digital.toml").write_text(CHIP.replace('rest = "horowitz-memory"', "") + "mac = 2\n")
    path = tmp_path / "mine.toml"
    path.write_text(CHIP.replace("horowitz-memory", "digital.toml"))
    assert load_table(path).label == "mine+digital"
    assert estimate_energy(network(layers=[stem()], other_ops=[], neurons=[]), path).total_pj_per_sample == 73728 * 2


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ("neuron_update_pj = 1", r"mine\.toml: operating_point: it contains all that a chip does; leave out neuron_up"),
        ("", r"operating_point: it contains all that a chip does; say included = \['neuron', 'bias'\]"),
    ],
)
def test_nothing_is_added_beside_an_operating_point(tmp_path, more, message):
    path = tmp_path / "mine.toml"
    path.write_text(f"operating_point = true\n{more}\n{CHIP}")
    with pytest.raises(TableError, match=message):
        load_table(path)


def test_a_file_does_not_hold_the_table_of_the_rest(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text(CHIP + "[rest_table]\ntitle = 'x'\n")
    with pytest.raises(TableError, match="rest_table: the table of the rest is named: rest = 'NAME'"):
        load_table(path)
