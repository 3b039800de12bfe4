"""Which operands meet in a network's contractions, and the word for the network."""

import pytest
import torch
from support.energy import ann, conv, linear, network, stem
from support.measured import Model
from torch import nn

from bench.measure.counting.count import count_operations
from bench.records.audit import audit, operands_of

STEM = stem(network_input=True)


@pytest.mark.parametrize(
    ("layers", "word"),
    [
        ([conv(), linear()], "spike-driven"),
        ([conv(input_kind="ternary"), linear()], "spike-driven"),
        ([conv(), linear(input_kind="graded")], "spike-driven with integers"),
        ([STEM, conv()], "spike-driven behind its input"),
        (
            [stem(network_input=True), conv(), linear(input_kind="graded")],
            "spike-driven with integers behind its input",
        ),
        ([STEM, conv(), linear(input_kind="analog")], "hybrid"),
        ([STEM], "conventional"),
        ([], "none"),
    ],
)
def test_the_word_for_a_network(layers, word):
    assert audit(network(layers=layers)).word == word


def test_what_was_not_counted_leaves_no_word():
    spiking = network(layers=[conv(), linear()])
    assert audit(spiking.model_copy(update={"not_counted": ["x: aten.mm"]})).word == "not known"
    assert audit(spiking.model_copy(update={"synapses_not_counted": ["x: aten.mm"]})).word == "not known"
    elsewhere = {"not_counted": ["x: aten.i0"], "synapses_not_counted": []}
    assert audit(spiking.model_copy(update=elsewhere)).word == "spike-driven"


def test_shares_are_of_dense_macs_and_of_what_happens():
    counts = network()
    stem_dense, conv_dense = (layer.dense_macs_per_sample for layer in counts.layers)
    found = audit(counts)
    assert found.word == "hybrid"  # nobody said that the stem sees the input
    assert found.dense == {
        "binary x weight": conv_dense / (stem_dense + conv_dense),
        "float": stem_dense / (stem_dense + conv_dense),
    }
    assert sum(found.effective.values()) == pytest.approx(1.0)
    assert audit(ann()).dense == {"float": 1.0}


@pytest.mark.parametrize(
    ("left", "right", "operands"),
    [
        ("spike", "spike", "spike x spike"),
        ("spike", "count", "integer x spike"),
        ("count", "count", "integer x spike"),
        ("spike", "value", "spike x value"),
        ("value", "value", "float"),
    ],
)
def test_products_of_activations(left, right, operands):
    def made(kind, x):
        spikes = (x > 0.5).float()
        return {"spike": spikes, "count": spikes + (x > 0.2).float(), "value": nn.functional.softmax(x, -1)}[kind]

    model = Model(lambda m, x: made(left, x) @ made(right, x.flip(-1)).mT)
    torch.manual_seed(0)
    (product,) = count_operations(model, [torch.rand(3, 4, 6)], layout="N", input_kind="analog").layers
    assert operands_of(product) == operands
