"""A small suite, as text and as data, and what is wrong with a changed one."""

import tomllib

import pytest

from bench.errors import SuiteError
from bench.suite.load import load_suite

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
