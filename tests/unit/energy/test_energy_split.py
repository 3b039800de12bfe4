"""The causes of a convention's difference from ours add up to it exactly, whatever was counted."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.energy import conv, network, stem
from support.reports import layer, make_record, make_suite

from bench.energy.conventions.base import convention_called
from bench.energy.conventions.split import split
from bench.energy.estimate import estimate_energy, estimate_totals
from bench.energy.table import load_table, table_names
from bench.plugins import registry

[ANN, LIF, CLIF] = make_suite(seeds=(0,)).runs
KINDS = st.sampled_from(["analog", "binary", "ternary", "graded"])


@st.composite
def counts(draw):
    """The counts of a made-up record: two layers of drawn kinds and numbers."""
    run = draw(st.sampled_from([ANN, LIF, CLIF]))
    record, timesteps = make_record(run), run.spec.timesteps
    layers = []
    for name in ("stem", "fc"):
        kind, dense = draw(KINDS), draw(st.integers(1, 50)) * 20
        synops = draw(st.integers(0, dense * timesteps))
        graded = {"graded_acs_total": draw(st.integers(0, 10**6)), "input_unit": 0.5} if kind == "graded" else {}
        told = {"input_nonzero_total": draw(st.integers(0, 200 * timesteps)), "network_input": name == "stem"}
        layers.append(layer(name, timesteps, kind, dense, dense, synops, **told, **graded))
    neurons = [each.model_copy(update={"units": layers[0].output_shape[0]}) for each in record.neurons]
    return record.counts.model_copy(update={"layers": layers, "neurons": neurons})


@given(counts(), st.sampled_from(table_names()), st.sampled_from(sorted(registry.plugins("convention"))))
def test_causes_add_up_exactly(counts, table, name):
    ours, theirs = estimate_energy(counts, table), convention_called(name).estimate(counts)
    found = split(counts, ours, theirs)
    total, bound = ours.total_pj_per_sample, theirs.at_least_pj_per_sample
    if total is None or bound is None:
        assert found is None
        return
    assert found.difference == sum(found.causes.values()) == Fraction(bound) - Fraction(total)


@pytest.mark.parametrize("name", ["sdt", "neurobench"])
def test_each_cause_is_the_change_of_one_thing(name):
    counts = network(layers=[stem(network_input=True), conv()])
    ours = estimate_energy(counts, "horowitz-int8")
    found = {
        cause: float(value)
        for cause, value in split(counts, ours, convention_called(name).estimate(counts)).causes.items()
    }
    prices = ours.table.operation_pj
    assert found["without our bias"] == -ours.bias_pj_per_sample
    assert found["without our neuron"] == -ours.neuron_pj_per_sample
    assert found["rule of our table"] == pytest.approx(0.0, abs=1e-6)
    assert found["price of a MAC"] == pytest.approx(73_728 * (4.6 - prices["mac"]), rel=1e-9)
    assert found["price of an AC"] == pytest.approx(3_000 * (0.9 - prices["ac"]), rel=1e-9)
    if name == "sdt":
        assert found["rate × dense"] == pytest.approx(600 * 0.9, rel=1e-9)
    else:
        assert found["zeros skipped"] == pytest.approx((40_000 - 73_728) * 4.6, rel=1e-9)


def test_another_rule_of_accounting_is_a_cause_of_its_own():
    counts = network(layers=[stem(network_input=True), conv()])
    found = split(counts, estimate_energy(counts, "lemaire"), convention_called("sdt").estimate(counts))
    # Lemaire charges 50 spikes x ceil(3 / 2)^2 x 32 = 6,400 accumulates of 0.1 pJ where 3,000 were counted.
    assert float(found.causes["rule of our table"]) == pytest.approx(-3_400 * 0.1, rel=1e-6)
    assert found.causes["without our memory"] < 0 and found.causes["without our addressing"] < 0


@given(counts(), st.sampled_from(table_names()))
def test_totals_alone_are_those_of_the_breakdown(counts, table):
    whole = estimate_energy(counts, table)
    expected = whole.total_dense_pj_per_sample, whole.total_zero_skipping_pj_per_sample
    assert estimate_totals(counts, load_table(table)) == expected
