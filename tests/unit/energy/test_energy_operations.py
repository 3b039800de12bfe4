"""Prices of what a spike makes cheaper: each its own where a table has one, at most that of what can do it."""

import pytest
from support.energy import SPIKES, T, network, neuron

from bench.energy.estimate import estimate_energy
from bench.energy.memory import Memory
from bench.energy.rules.lemaire import Lemaire
from bench.energy.table import CostTable, load_table, table_names

UPDATES = 1024 * T
FAIR_LIF = {"shift": 1.0, "select": 1.0, "add": 1.0, "sub": 1.0, "compare": 1.0}
FAIR_CLIF = {**FAIR_LIF, "shift": 2.0, "mul": 1.0, "add": 3.0, "sigmoid": 2.0}


def test_a_lif_that_selects_and_shifts_by_hand():
    found = estimate_energy(network(neurons=[neuron(FAIR_LIF)]), "horowitz-fp32")
    assert found.neuron_pj_per_sample == pytest.approx(UPDATES * (0.03 + 0.9 * 4))


@pytest.mark.parametrize("name", [name for name in table_names() if "mac" in load_table(name).operation_pj])
def test_no_table_asks_more_for_them_than_for_a_product(name):
    prices = load_table(name).operation_pj
    assert max(prices["select"], prices["shift"]) <= prices["mul"]
    assert prices["logic"] < prices["compare"]


def test_a_table_without_their_prices_takes_what_can_do_the_same():
    table = CostTable(
        name="mine",
        title="t",
        source="s",
        node_nm=45,
        precision="p",
        scope="c",
        operation_pj={"mul": 4.0, "compare": 2.0},
    )
    assert {word: table.operation_pj[word] for word in ("select", "shift", "logic")} == {
        "select": 4.0,
        "shift": 4.0,
        "logic": 2.0,
    }
    assert table.assumptions["shift"] == "has no price of its own; at most that of a mul"
    chip = load_table("truenorth-2014")
    assert not {"select", "shift", "logic"} & set(chip.operation_pj)


@pytest.mark.parametrize(
    ("ops", "extra"),
    [
        (FAIR_LIF, {}),
        ({**FAIR_LIF, "shift": 0.0, "mul": 1.0}, {}),
        (FAIR_CLIF, {"shift": 1.0, "mul": 1.0, "add": 2.0, "sigmoid": 2.0}),
        ({"mul": 2.0, "add": 1.0, "compare": 1.0}, {"mul": 1.0, "select": -1.0, "sub": -1.0}),  # PSN: no reset
        ({"mul": 2.0, "add": 1.0, "sub": 1.0, "compare": 1.0}, {}),  # as older records have it
        (
            {"mul": 4.0, "add": 3.0, "sub": 1.0, "compare": 1.0, "sigmoid": 2.0},
            {"mul": 2.0, "add": 2.0, "sigmoid": 2.0},
        ),
    ],
)
def test_the_published_terms_stand_for_a_lif_of_any_leak(ops, extra):
    work = Lemaire().neuron(neuron(ops), Memory(accesses="lemaire", word_bits=32))
    beside = {word: count for word, count in work.operations.items() if word not in ("mac", "ac")}
    assert beside == {word: count * UPDATES for word, count in extra.items()}
    assert (work.operations["mac"], work.operations["ac"]) == (UPDATES, SPIKES)
