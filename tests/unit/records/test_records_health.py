"""Which finished runs have not learned, as their records alone say."""

from dataclasses import replace

import pytest
from support.reports import at_chance, dead, diverged

from bench.plugins import registry
from bench.records.health import AT_CHANCE, DEAD, DIVERGED, guess_fraction, health_of, oddities_of


def trained_to(record, *losses, loss=None):
    rows = [replace(record.history[0], train_loss=value) for value in losses]
    spec = record.spec if loss is None else record.spec | {"train": record.spec["train"] | {"loss": loss}}
    return record.model_copy(update={"history": rows, "spec": spec})


def scored(record, right, samples, **changes):
    return record.model_copy(update={"accuracy_fraction": right / samples, "test_samples": samples} | changes)


def test_a_sound_run_has_no_state(records):
    assert [health_of(record).state for record in records] == [None] * 9
    assert [oddities_of(record) for record in records] == [""] * 9


# The made-up network has 100 outputs: ln 100 = 4.605, 1 / 100, 0.9 ln 100 + 0.1 * 4 = 4.545 and + 0.1 / 100 = 4.146.
LIMITS = [
    ({"name": "ce"}, 46.052),
    ({"name": "mse"}, 0.1),
    ({"name": "tet", "mse_weight": 0.1, "mse_target": 2.0}, 45.45),
    ({"name": "tet-one-hot", "mse_weight": 0.1, "mse_target": 2.0}, 41.457),
]


def test_of_every_built_in_loss_it_is_known_what_saying_nothing_costs():
    assert {loss["name"] for loss, _ in LIMITS} == set(registry.plugins("loss"))


@pytest.mark.parametrize(("loss", "limit"), LIMITS)
def test_a_run_diverged_whose_loss_ends_above_ten_times_that_of_saying_nothing(records, loss, limit):
    assert health_of(trained_to(records[0], 1e9, 0.99 * limit, loss=loss)).state is None
    found = health_of(trained_to(records[0], 0.1, 1.01 * limit, loss=loss))
    assert found.state == DIVERGED
    assert (
        found.words == f"diverged: the training loss ended at {1.01 * limit:.3g}, that of a guess is {limit / 10:.3g}"
    )


@pytest.mark.parametrize(
    ("losses", "state"), [((2.0, 19.9), None), ((2.0, 20.1), DIVERGED), ((-2.0, -20.0), None), ((-2.0, 17.0), DIVERGED)]
)
def test_a_loss_from_outside_is_held_against_its_first_epoch(records, losses, state):
    assert health_of(trained_to(records[0], *losses, loss={"name": "somebody.losses:Hinge"})).state == state


def test_at_chance_is_what_the_exact_binomial_test_does_not_tell_from_guessing(records):
    # 37 of the 360 digits to test are of the most frequent class. P(51 or more right of 360) = 0.0121, of 52 0.0079.
    assert guess_fraction(scored(records[0], 51, 360)) == 37 / 360
    assert health_of(scored(records[0], 51, 360)).words == (
        "at chance: 14.17 % of 360 test samples is not above guessing, 10.28 % (p = 0.012)"
    )
    assert health_of(scored(records[0], 52, 360)).state is None
    assert health_of(scored(records[0], 0, 360)).state == AT_CHANCE


def test_where_the_shares_of_classes_are_not_known_a_guess_is_one_of_the_outputs(records):
    # 100 outputs: P(1 or more right of 20) = 1 - 0.99 ** 20 = 0.18; of 2 0.017; of 3 0.0010.
    assert guess_fraction(records[0]) == 1 / 100
    assert [health_of(scored(records[0], right, 20)).state for right in (1, 2, 3)] == [AT_CHANCE, AT_CHANCE, None]
    assert health_of(records[0].model_copy(update={"layers": []})).state is None


def test_a_run_is_dead_with_one_layer_that_never_fires_and_the_gravest_state_comes_first(records):
    assert health_of(dead(records[3])).words == "dead: no neuron fired in neuron"
    assert list(health_of(at_chance(dead(diverged(records[3])))).reasons) == [DIVERGED, DEAD, AT_CHANCE]


def test_weights_that_another_run_made_are_as_diverged_as_that_run(records):
    deployed = records[3].model_copy(update={"history": []})
    assert health_of(deployed).state is None
    assert health_of(deployed, diverged(records[3])).state == DIVERGED


def test_an_accuracy_of_nothing_in_training_is_odd(records):
    row = replace(records[0].history[-1], train_accuracy_fraction=0.0)
    assert oddities_of(records[0].model_copy(update={"history": [row]})).startswith("accuracy 0.0 % in training")
