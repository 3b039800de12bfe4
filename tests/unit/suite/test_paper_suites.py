"""The suites named -paper: the published settings of CLIF, and what is declared to differ.

Source: Huang et al., ICML 2024; README.md, run_inference_script and train.py of github.com/HuuYuLong/Complementary-LIF.
"""

import pytest
from support import ROOT
from support.suites import problems

from bench.suite.load import load_suite

PAPER = sorted(path.stem for path in (ROOT / "suites").glob("*-paper.toml"))
TO_ONE = {"name": "tet", "label_smoothing": 0.0, "mse_weight": 0.05, "mse_target": 1.0}
# model, timesteps, epochs, samples in a batch, learning rate, weight decay, share of neurons dropped
SETTINGS = {
    "cifar10-paper": ("resnet18", 6, 200, 128, 0.1, 5e-5, 0.0),
    "cifar100-paper": ("resnet18", 6, 200, 128, 0.1, 5e-4, 0.0),
    "tiny-imagenet-paper": ("vgg13", 6, 200, 256, 0.1, 1e-4, 0.0),
    "dvs-gesture-paper": ("vgg11", 20, 300, 16, 0.1, 5e-4, 0.4),
    "cifar10-dvs-paper": ("vgg11", 10, 300, 128, 0.05, 5e-4, 0.3),
}
AUGMENT = {
    "cifar10-paper": ["random-crop", "random-flip", "cutout"],
    "cifar100-paper": ["random-crop", "random-flip", "cutout"],
    "tiny-imagenet-paper": ["random-flip"],
    "dvs-gesture-paper": [],
    "cifar10-dvs-paper": ["random-flip", "rotation"],
}


def spec_of(name):
    return load_suite(ROOT / "suites" / f"{name}.toml").spec


def told(spec, *words):
    return any(all(word in deviation for word in words) for deviation in spec.deviations)


@pytest.mark.parametrize("name", PAPER)
def test_a_paper_suite_trains_as_published(name):
    spec = spec_of(name)
    timesteps = {entry.timesteps for entry in spec.entries if entry.neuron.name != "relu"}
    train, sgd = spec.train, spec.train.optimizer
    dropout = spec.model.params.get("dropout", 0.0)
    found = (spec.model.name, *timesteps, train.epochs, train.batch_size, sgd.learning_rate, sgd.weight_decay, dropout)
    assert found == SETTINGS[name]
    assert (sgd.name, sgd.momentum, sgd.nesterov, train.schedule.name) == ("sgd", 0.9, False, "cosine")
    assert train.schedule.warmup_epochs == 0 and train.gradient_clip_norm is None
    assert train.precision == "fp16" and spec.model.batch_norm == "per-step"
    assert train.augment == AUGMENT[name]


@pytest.mark.parametrize("name", PAPER)
def test_the_published_loss_pulls_to_one_but_on_cifar10_dvs_to_the_label(name):
    loss = spec_of(name).train.loss
    if name == "cifar10-dvs-paper":
        assert (loss.name, loss.params) == ("tet-one-hot", {"label_smoothing": 0.0, "mse_weight": 0.05})
    else:
        assert loss.model_dump() == TO_ONE


@pytest.mark.parametrize("name", PAPER)
def test_what_a_suite_cannot_say_of_the_published_recipe_is_declared(name):
    spec = spec_of(name)
    assert told(spec, "linear", "uniform", "biases 0" if spec.model.name.startswith("vgg") else "linear 0")
    assert told(spec, "last incomplete batch", "dropped") == (name != "dvs-gesture-paper")  # where it is dropped too
    assert told(spec, "rotation", "whole degrees") == (name == "cifar10-dvs-paper")


def test_paper_suites_compare_the_published_neurons():
    for name in PAPER:
        neurons = {entry.label: entry.neuron.model_dump() for entry in spec_of(name).entries}
        assert {label: neurons[label] for label in ("LIF", "PLIF", "CLIF")} == {
            label: {"name": label.lower(), "tau": 2.0} for label in ("LIF", "PLIF", "CLIF")
        }
        assert neurons["ANN"] == {"name": "relu"}


def test_deviations_are_told_and_change_no_key(write):
    plain = load_suite(write())
    assert plain.spec.deviations == []
    declared = load_suite(write(title=('"Tiny"', '"Tiny"\ndeviations = ["no warm-up; published: 5 epochs"]')))
    assert declared.spec.deviations == ["no warm-up; published: 5 epochs"]
    assert [run.key for run in declared.runs] == [run.key for run in plain.runs]
    assert [run.measure_key for run in declared.runs] == [run.measure_key for run in plain.runs]


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ('"one"', "deviations: should be a valid list, not 'one'"),
        ('["a | b"]', "deviations[0]: should hold no control characters and none of | < > `"),
        ('["fine", ""]', "deviations[1]: String should have at least 1 character"),
        (f'["{"a" * 121}"]', "deviations[0]: String should have at most 120 characters"),
    ],
)
def test_a_deviation_is_a_short_line(write, written, expected):
    [found] = problems(write(title=('"Tiny"', f'"Tiny"\ndeviations = {written}')))
    assert found.startswith(expected)


def test_expected_values_are_those_that_the_authors_repository_states():
    found = {
        (name, entry.label): (entry.expect.accuracy, entry.expect.of)
        for name in PAPER
        for entry in spec_of(name).entries
        if entry.expect is not None
    }
    assert found == {
        ("cifar10-paper", "LIF"): (94.51, "best"),
        ("cifar10-paper", "CLIF"): (95.41, "best"),
        ("cifar100-paper", "LIF"): (76.23, "best"),
        ("cifar100-paper", "CLIF"): (78.36, "best"),
    }
