"""The kind of a layer's inputs, decided over a whole evaluation."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from bench.energy.estimate import estimate_energy
from bench.errors import BenchError
from bench.measure.counting.count import count_operations
from bench.measure.counting.kinds import InputTally
from bench.neurons import LIF


def count(*batches, outputs=3, **options):
    layer = nn.Linear(batches[0].shape[-1], outputs, bias=False)
    (found,) = count_operations(layer, batches, layout="N", **{"input_kind": "values", **options}).layers
    return found


def row(*values):
    return torch.tensor([values], dtype=torch.float32)


@pytest.mark.parametrize(
    ("batches", "kind", "unit", "levels", "acs"),
    [
        ([row(0, 1, 1)], "binary", None, None, None),
        ([row(0, 1, 1), row(0, -1, 0)], "ternary", None, None, None),
        ([row(0, 1, 2)], "graded", 1.0, 2, 9),
        ([row(0, 0.5, 0.5)], "graded", 0.5, 1, 6),
        ([row(2, 0, 2), row(1, 0, 1)], "graded", 1.0, 2, 18),
        ([row(1, 0, 1), row(0.25, 0, 0.5)], "graded", 0.25, 4, 33),
        ([row(0.5, 0, 0), row(0.75, 0, -0.75)], "graded", 0.25, 3, 24),
        ([row(0.2, 0.3, 0.0)], "graded", 0.1, 3, 15),
        ([row(0, 1, 64)], "graded", 1.0, 64, 195),
        ([row(0, 1, 65)], "analog", None, None, None),
        ([row(64, 0, 0), row(0.5, 0, 0)], "analog", None, None, None),
        ([row(0.1234, 0.777, 3.1)], "analog", None, None, None),
    ],
)
def test_kinds(batches, kind, unit, levels, acs):
    found = count(*batches)
    assert found.input_kind == kind
    assert found.input_unit == (None if unit is None else pytest.approx(unit, rel=1e-5))
    assert (found.input_levels, found.graded_acs_total) == (levels, acs)
    assert found.effective_synops_total == 3 * sum(int((batch != 0).sum()) for batch in batches)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.lists(st.integers(-64, 64), min_size=3, max_size=3), min_size=1, max_size=6),
    st.sampled_from([1.0, 0.25, 1 / 3, 1 / 9, 0.7]),
    st.randoms(use_true_random=False),
)
def test_multiples_of_a_unit_are_summed_exactly_in_any_order(rows, unit, random):
    batches = [torch.tensor([levels]) * unit for levels in rows]
    whole = count(torch.cat(batches))
    random.shuffle(batches)  # type: ignore[attr-defined]
    parts = count(*batches)
    assert parts.input_kind == whole.input_kind != "analog"
    assert parts.graded_acs_total == whole.graded_acs_total
    if parts.input_kind == "graded":
        assert parts.input_unit is not None and parts.graded_acs_total is not None
        weight = 3 * unit * sum(abs(level) for levels in rows for level in levels)
        assert parts.graded_acs_total * parts.input_unit == pytest.approx(weight, rel=1e-4)


def test_third_parts_from_pooling_are_levels_in_spite_of_rounding():
    spikes = (torch.rand(4, 2, 9, 9, generator=torch.Generator().manual_seed(0)) < 0.3).float()
    pooled = nn.functional.avg_pool2d(spikes, 3)
    (found,) = count_operations(nn.Conv2d(2, 5, 1), [pooled], input_kind="values").layers
    assert found.input_kind == "graded" and found.input_unit == pytest.approx(1 / 9)
    assert found.graded_acs_total == int(spikes.sum()) * 5


def test_the_caller_knows_what_the_networks_input_is():
    assert count(row(0, 1, 1), input_kind="analog").input_kind == "analog"
    assert count(row(0, 1, 1), input_kind="graded").input_kind == "binary"
    assert count(row(0, 1, 3), input_kind="graded").input_kind == "graded"
    with pytest.raises(BenchError, match="said to be binary, and is graded"):
        count(row(0, 1, 3), input_kind="binary")


def test_event_counts_are_levels_of_one_however_high():
    """Said to be graded, whole numbers need no common unit to be found and know no highest level."""
    found = count(row(0, 1, 2000), row(4, 0, 70), input_kind="graded")
    assert (found.input_kind, found.input_unit, found.input_levels) == ("graded", 1.0, 2000)
    assert found.graded_acs_total == 3 * (1 + 2000 + 4 + 70) and found.effective_synops_total == 3 * 4
    even = count(row(2, 4, 0), input_kind="graded")  # an event is one event, also where all come in pairs
    assert (even.input_unit, even.graded_acs_total) == (1.0, 18)
    assert count(row(0, 1, 1), input_kind="graded").input_kind == "binary"
    assert count(row(0.5, 1000.25, 0), input_kind="graded").input_kind == "analog"  # no counts, whatever was said


def test_the_levels_of_later_layers_are_still_limited():
    model = nn.Sequential(nn.Identity(), nn.Linear(3, 2, bias=False))
    first = count_operations(model, [row(0, 1, 200)], input_kind="graded").layers[0]
    assert first.input_kind == "graded" and first.network_input


def test_an_input_of_which_nothing_is_said_is_analog():
    assert count(row(0, 1, 1), input_kind=None).input_kind == "analog"


def two_layers(between):
    model = nn.Sequential(nn.Linear(2, 2, bias=False), between, nn.Linear(2, 2, bias=False))
    with torch.no_grad():
        model[0].weight.copy_(torch.eye(2))
    return model


class Quantiser(nn.Module):
    """A 4-bit activation, as networks of few bits have."""

    def forward(self, x):
        return torch.round(x.clamp(0, 1) * 15) / 15


@pytest.mark.parametrize("between", [nn.ReLU(), nn.Hardtanh(0, 1), Quantiser(), nn.Identity()])
@pytest.mark.parametrize("kind", ["analog", "binary"])
def test_what_a_layer_of_weights_has_made_is_analog_however_few_its_values(between, kind):
    counts = count_operations(two_layers(between), [row(1, 0)], input_kind=kind)
    assert [layer.input_kind for layer in counts.layers] == [kind, "analog"]
    assert counts.neurons == [] or not counts.neurons[0].spiking
    assert counts.reasons["0"] == "said to be" and counts.reasons["2"].startswith("made by ")


def test_few_levels_that_descend_from_weights_are_analog():
    first, second = count_operations(two_layers(nn.ReLU()), [row(1, 2)], input_kind="values").layers
    assert (first.input_kind, second.input_kind) == ("graded", "analog")


def test_a_dead_layer_costs_its_dense_macs():
    model = nn.Sequential(nn.Linear(10, 20), nn.ReLU(), nn.Linear(20, 5))
    model[0].bias.data.fill_(-100)
    counts = count_operations(model, [torch.rand(3, 10)])
    assert counts.layers[1].input_kind == "analog" and counts.layers[1].silent
    assert estimate_energy(counts, "horowitz-fp32").layers[1].pj_per_sample == pytest.approx(460.0)


def test_the_caller_may_say_what_a_layers_input_is():
    model = two_layers(nn.ReLU())
    counts = count_operations(model, [row(1, 2)], kinds={"0": "graded", "2": "graded"})
    assert [layer.input_kind for layer in counts.layers] == ["graded", "graded"]
    assert [layer.graded_acs_total for layer in counts.layers] == [6, 6]
    assert count_operations(model, [row(1, 0)], kinds={"2": "binary"}).layers[1].input_kind == "binary"
    with pytest.raises(BenchError, match=r"2: its input was said to be binary, and is graded; leave it out of kinds"):
        count_operations(model, [row(1, 2)], kinds={"2": "binary"})
    with pytest.raises(BenchError, match=r"kinds: there is no layer '1'; there are '0', '2'"):
        count_operations(model, [row(1, 2)], kinds={"1": "analog"})


@pytest.mark.parametrize("size", [5, 14])
def test_summed_and_pooled_spikes_are_graded_at_any_resolution(size):
    """A mean over 196 positions has more levels than a unit is looked for among; pooling tells it."""
    model = nn.Sequential(LIF(), nn.AdaptiveAvgPool3d((2, 1, 1)), nn.Flatten(2), nn.Linear(2, 3, bias=False))
    x = 3 * torch.rand(4, 2, 2, size, size, generator=torch.Generator().manual_seed(0))
    counts = count_operations(model, [x], layout="TN", input_kind="analog")
    [layer] = counts.layers
    spikes = counts.neurons[0].spikes_total
    assert layer.input_kind == "graded" and layer.graded_acs_total == 3 * spikes
    assert layer.input_unit == pytest.approx(1 / size**2)


def test_not_a_number_is_refused():
    with pytest.raises(BenchError, match="linear: its input is not a number"):
        count(row(0, 1, float("nan")))
    with pytest.raises(BenchError, match="not a number"):
        count(row(0.123, 1.77, 3.14), row(0, 1, float("nan")))


def test_large_inputs_are_counted_in_pieces():
    tally = InputTally("layer", 0)
    tally.add(torch.full((70_000, 3), 2.0))
    found = tally.decide(None)
    assert (found.kind, int(found.nonzero), found.unit) == ("graded", 210_000, 2.0)
