"""What a suite says of tuning, and the suites that trials and the values found make."""

import copy

import pytest
from support.suites import DATA

from bench.errors import SuiteError
from bench.suite.load import Suite
from bench.suite.tuning import TunedSpec, TuneSpec, own_values, trial_suite, tuned_suite, tuning_problems

RATE, TAU = "train.optimizer.learning_rate", "neuron.tau"
SPACE = {RATE: {"low": 0.01, "high": 1.0, "log": True}, TAU: {"low": 1.1, "high": 4.0}}
TUNE = TuneSpec(trials=3, held_out=0.2, seed=7, space=SPACE)
FOUND = [
    [({RATE: 0.1}, 90.0), ({RATE: 0.2}, 92.0), ({RATE: 0.5}, 92.0)],
    [({RATE: 0.1, TAU: 2.0}, 91.0), ({RATE: 0.3, TAU: 3.0}, 90.0), ({RATE: 0.9, TAU: 1.5}, 0.0)],
]


def with_changes(**changes):
    return copy.deepcopy(DATA) | changes


def test_own_values_are_those_that_the_file_says():
    assert own_values(DATA, 0, TUNE.space) == {RATE: 0.1}  # a ReLU has no tau
    assert own_values(DATA, 1, TUNE.space) == {RATE: 0.1, TAU: 2.0}


def test_a_trial_trains_every_entry_on_part_of_the_training_samples():
    suite = Suite.from_data(trial_suite(DATA, TUNE, [{RATE: 0.2}, {RATE: 0.3, TAU: 3.0}]))
    assert suite.name == "tiny-trials" and [run.label for run in suite.runs] == ["ANN", "LIF"]
    ann, lif = (run.spec for run in suite.runs)
    assert (ann.train.optimizer.learning_rate, lif.train.optimizer.learning_rate) == (0.2, 0.3)
    assert lif.neuron.params["tau"] == 3.0 and ann.seed == lif.seed == 7
    assert ann.dataset.validation_fraction == lif.dataset.validation_fraction == 0.2
    assert DATA["train"]["optimizer"]["learning_rate"] == 0.1  # and the suite is as it was


def test_the_tuned_suite_has_each_entry_as_it_was_and_with_what_was_found():
    pairs = [["LIF", "ANN"], ["ANN", "LIF"]]
    data = with_changes(contrasts=[["LIF", "ANN"]], interactions=[pairs], tune={"trials": 3, "space": SPACE})
    suite = Suite.from_data(tuned_suite(data, TUNE, FOUND) | {"contrasts": [], "interactions": []})
    assert suite.name == "tiny-tuned" and [entry.label for entry in suite.spec.entries] == ["ANN", "ANN, tuned", "LIF"]
    rates = {run.label: run.spec.train.optimizer.learning_rate for run in suite.runs}
    assert rates == {"ANN": 0.1, "ANN, tuned": 0.2, "LIF": 0.1}  # of equal ones the first; LIF's own is its best
    assert suite.spec.baseline == "ANN, tuned"
    tuned = {entry.label: entry.tuned for entry in suite.spec.entries}
    assert tuned["ANN"] is None and tuned["LIF"].best == [0.1, 2.0, 91.0] and tuned["ANN, tuned"].of == "ANN"
    assert suite.spec.entries[1].unmatched == [RATE] and suite.runs[0].spec.dataset.validation_fraction == 0.0
    assert tuned_suite(data, TUNE, FOUND)["contrasts"] == [["LIF", "ANN, tuned"]]
    assert tuned_suite(data, TUNE, FOUND)["interactions"] == [[["LIF", "ANN, tuned"], ["ANN, tuned", "LIF"]]]
    # What is told of the trials enters no key.
    bare = [
        {key: value for key, value in entry.items() if key != "tuned"}
        for entry in tuned_suite(data, TUNE, FOUND)["entries"]
    ]
    again = Suite.from_data(tuned_suite(data, TUNE, FOUND) | {"contrasts": [], "interactions": [], "entries": bare})
    assert [run.key for run in again.runs] == [run.key for run in suite.runs]


@pytest.mark.parametrize(
    ("tune", "problem"),
    [
        ({"trials": 1, "space": SPACE}, "tune.trials: should be greater than or equal to 2, not 1"),
        ({"trials": 3, "space": {}}, "tune.space"),
        ({"trials": 3, "space": {"model.width": {"low": 1.0, "high": 2.0}}}, "tune.space"),
        ({"trials": 3, "space": {RATE: {"low": 1.0, "high": 0.1}}}, "low should be below high, not 1 and 0.1"),
        ({"trials": 3, "space": {RATE: {"low": 0.0, "high": 0.1, "log": True}}}, "low should be above 0"),
        ({"trials": 3, "held_out": 0.0, "space": SPACE}, "tune.held_out: should be greater than 0, not 0"),
    ],
)
def test_what_cannot_be_searched_is_refused(tune, problem):
    with pytest.raises(SuiteError) as error:
        Suite.from_data(with_changes(tune=tune))
    assert problem in str(error.value)


def test_entries_that_cannot_be_tuned_are_named():
    narrow = TuneSpec(trials=3, space={RATE: {"low": 0.2, "high": 1.0}})
    assert list(tuning_problems(DATA, narrow)) == [
        f"tune.space: {RATE} of '{label}' is 0.1, outside 0.2 to 1; its own value is the first trial"
        for label in ("ANN", "LIF")
    ]
    only_tau = TuneSpec(trials=3, space={TAU: SPACE[TAU]})
    assert list(tuning_problems(DATA, only_tau)) == ["tune.space: nothing of it is a setting of 'ANN'"]
    decay = TuneSpec(trials=3, space={"train.optimizer.weight_decay": {"low": 0.0, "high": 1.0}})
    assert any("the suite says no train.optimizer.weight_decay" in problem for problem in tuning_problems(DATA, decay))
    long = with_changes()
    long["entries"][0]["label"] = "A" * 55
    assert any("leaves no room for ', tuned'" in problem for problem in tuning_problems(long, TUNE))


def test_where_every_sample_tests_some_seed_nothing_can_be_tuned():
    folds = with_changes(dataset={"name": "digits", "test_split": "folds"})
    assert list(tuning_problems(folds, TUNE)) == [
        "tune: under test_split = 'folds' every sample tests some seed, and none is left to choose settings by"
    ]


def test_trials_have_all_their_values():
    with pytest.raises(ValueError, match="each trial has 1 values and the accuracy"):
        TunedSpec(of="ANN", settings=[RATE], held_out=0.1, seed=0, trials=[[0.1]])
