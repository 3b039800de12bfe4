"""A small suite, as text and as data, and what is wrong with a changed one."""

import tomllib

import pytest

from bench.errors import SuiteError
from bench.suite.load import load_suite
from support.toml import as_toml

TEXT = """
name = "tiny"
title = "Tiny"
baseline = "ANN"
seeds = [0, 1]
energy = ["horowitz-fp32"]
dataset = { name = "digits" }
model = { name = "convnet", width = 8, stages = 2 }

[train]
epochs = 2
batch_size = 64
optimizer = { name = "sgd", learning_rate = 0.1 }

[[entries]]
label = "ANN"
neuron = { name = "relu" }
timesteps = 1

[[entries]]
label = "LIF"
neuron = { name = "lif", tau = 2.0 }
timesteps = 4
"""
DATA = tomllib.loads(TEXT)


def entry(label, neuron, timesteps, **more):
    """An entry of a suite; `more` are further keys of it."""
    return {"label": label, "neuron": {"name": neuron}, "timesteps": timesteps} | more


def small_suite(name, *entries, **changes):
    """The text of a suite that is trained on digits in a moment; what `changes` say of `train` is merged into it."""
    data = {
        "name": name,
        "title": "Small digits",
        "baseline": entries[0]["label"],
        "seeds": [0],
        "energy": ["horowitz-fp32"],
        "dataset": {"name": "digits"},
        "model": {"name": "convnet", "width": 8, "stages": 2},
        "train": {"epochs": 2, "batch_size": 64, "optimizer": {"name": "adamw", "learning_rate": 5e-3}},
        "entries": list(entries),
    }
    return as_toml(data | changes | {"train": data["train"] | changes.get("train", {})})


def survivor(*entries, epochs=8, **changes):
    """The text of a suite whose runs are to be stopped: all that a checkpoint must carry moves in them."""
    return small_suite(
        "survivor",
        *(entries or [entry("CLIF", "clif", 3)]),
        model={"name": "convnet", "width": 8, "stages": 2, "dropout": 0.1},
        train={"epochs": epochs, "schedule": {"name": "one-cycle"}, "augment": ["random-crop"]},
        **changes,
    )


def writer(path):
    """Return a function that writes the suite, with changes, and returns its path."""

    def write(text=TEXT, **changes):
        for old, new in changes.values():
            assert old in text
            text = text.replace(old, new)
        path.write_text(text)
        return path

    return write


def problems(path):
    """What is said of a suite that cannot be used."""
    with pytest.raises(SuiteError) as caught:
        load_suite(path)
    assert caught.value.exit_code == 2
    return [line.removeprefix(f"{path}: ") for line in caught.value.problems]
