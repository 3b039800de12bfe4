"""Chips priced per synaptic operation: what they price, what they contain, and what they cannot say."""

import pytest
from support.energy import CLIF, SYNOPS, T, ann, conv, linear, network, neuron, relu

from bench.energy.estimate import estimate_energy
from bench.energy.table import load_table, table_names

PER_SYNOP = {
    "loihi": 23.6,
    "loihi-keras-spiking": 27.1,
    "spinnaker2-2019": 450.0,
    "spinnaker2-2021": 10.0,
    "odin": 12.7,
    "reckon": 5.3,
    "truenorth-2014": 26.0,
    "truenorth-2015": 2.5,
}
PER_UPDATE = {"loihi": 81.0, "loihi-keras-spiking": 81.0, "spinnaker2-2019": 2190.0}
IDLE = {"loihi": 52.0}  # an update that ends in no spike, where that is another price


def updates_pj(table, spikes=50):
    active = PER_UPDATE.get(table, 0.0)
    return spikes * active + (1024 * T - spikes) * IDLE.get(table, active)


def alone(table):
    """The table without another for the rest."""
    return load_table(table).model_copy(update={"rest": None, "rest_table": None})


def spiking_only(**changes):
    return network(layers=[conv(), linear(has_bias=False)], **changes)


def test_every_table_without_a_mac_is_a_chip():
    assert {name for name in table_names() if "mac" not in load_table(name).operation_pj} == set(PER_SYNOP)


@pytest.mark.parametrize("table", sorted(PER_SYNOP))
def test_a_network_of_spiking_layers_by_hand(table):
    found = estimate_energy(spiking_only(), table)
    synapse = (SYNOPS + 700) * PER_SYNOP[table]
    assert found.synapse_pj_per_sample == pytest.approx(synapse)
    updates = updates_pj(table)
    routed = 50 * 3.5 if table == "loihi" else 0.0
    assert found.total_pj_per_sample == pytest.approx(synapse + updates + routed)
    assert found.neuron_pj_per_sample == (updates or None)
    assert found.addressing_pj_per_sample == (routed or None)
    assert (found.bias_pj_per_sample, found.memory_pj_per_sample, found.unpriced) == (None, None, ())
    more = 50 * (PER_UPDATE[table] - IDLE[table]) if table in IDLE else 0.0
    grows = None if table == "truenorth-2014" else pytest.approx(synapse + routed + more)  # the power of one load
    assert found.per_spike_pj_per_sample == grows


@pytest.mark.parametrize("table", sorted(PER_SYNOP))
def test_an_analog_layer_has_no_price_and_the_spiking_ones_are_shown(table):
    found = estimate_energy(network(), alone(table))
    assert found.total_pj_per_sample is None and found.synapse_pj_per_sample is None
    assert found.total_sigmoid_free_pj_per_sample is None and found.total_cached_pj_per_sample is None
    assert [layer.pj_per_sample for layer in found.layers] == [None, pytest.approx(SYNOPS * PER_SYNOP[table])]
    assert found.unpriced == ("stem: mac",)


@pytest.mark.parametrize("table", sorted(PER_SYNOP))
def test_a_conventional_network_has_no_total_on_a_chip(table):
    found = estimate_energy(ann(), alone(table))
    assert found.total_pj_per_sample is None
    assert {"stem: mac", "conv: mac", "neuron: compare"} <= set(found.unpriced)
    assert estimate_energy(spiking_only(neurons=[neuron(), relu()]), alone(table)).total_pj_per_sample is None


@pytest.mark.parametrize("table", sorted(PER_UPDATE))
def test_clif_takes_two_compartments(table):
    found = estimate_energy(spiking_only(neurons=[neuron(CLIF, 2)]), table)
    assert found.neuron_pj_per_sample == pytest.approx(2 * updates_pj(table))
    assert found.total_pj_per_sample is not None and found.unpriced == ()


def test_each_bit_of_an_address_has_its_price():
    routed = load_table("loihi").model_copy(update={"spike_bit_pj": 0.5})
    found, before = (estimate_energy(spiking_only(), table) for table in (routed, "loihi"))
    assert neuron().address_bits == 10  # of 1,024 neurons
    assert found.addressing_pj_per_sample == pytest.approx(before.addressing_pj_per_sample + 50 * 10 * 0.5)
    assert [neuron(units=n, spikes_total=0).address_bits for n in (1, 2, 3, 1025)] == [1, 1, 2, 11]


@pytest.mark.parametrize("table", sorted(table_names()))
def test_every_table_says_what_it_rests_on(table):
    found = load_table(table)
    assert found.source and found.scope and found.node_nm > 0
    if found.included or found.neuron_update_pj is not None or found.memory is not None:
        assert set(found.assumptions) & {"included", "neuron_update", "memory"}
