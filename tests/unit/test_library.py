"""The library's calls, on this package's networks and on other modules."""

import tomllib
from pathlib import Path

import pytest
import torch
from torch import nn

import bench
from bench.neurons import CLIF, LIF


def test_a_neuron_is_a_module_over_sequences():
    x = torch.randn(4, 2, 3, 5, 5)
    spikes = CLIF(tau=2.0)(x)
    assert isinstance(CLIF(), nn.Module) and spikes.shape == x.shape
    assert set(spikes.unique().tolist()) <= {0.0, 1.0}


def test_a_network_maps_a_sequence_to_logits():
    model = bench.build_model("resnet18", neuron="clif", in_channels=3, classes=10).eval()
    with torch.no_grad():
        assert model(torch.randn(2, 1, 3, 32, 32)).shape == (2, 1, 10)


def test_any_module_is_counted_and_priced():
    model = nn.Sequential(nn.Linear(4, 8), LIF(), nn.Linear(8, 2))
    counts = bench.count_operations(model, [torch.ones(3, 5, 4)], input_kind="analog", layout="TN")
    assert (counts.samples, counts.timesteps) == (5, 3)
    first, second = counts.layers
    assert (first.input_kind, first.dense_macs_per_sample) == ("analog", 3 * 4 * 8)
    assert second.input_kind == "binary"
    assert second.effective_synops_per_sample == counts.neurons[0].spikes_per_sample * 2
    energy = bench.estimate_energy(counts, table="horowitz-fp32")
    synapse = 4.6 * 3 * 4 * 8 + 0.9 * second.effective_synops_per_sample
    assert energy.synapse_pj_per_sample == pytest.approx(synapse, rel=1e-12)
    neuron = 3 * 8 * (0.03 + 4 * 0.9)  # shift, and select, add, sub, compare
    assert energy.neuron_pj_per_sample == pytest.approx(neuron, rel=1e-12)
    bias = 0.9 * 3 * (8 + 2)
    readout = 2 * (2 * 0.9 + 3.7)  # the mean over T = 3 of two outputs
    assert energy.total_pj_per_sample == pytest.approx(synapse + neuron + bias + readout, rel=1e-12)


def test_a_suites_problems_are_one_exception(tmp_path):
    (tmp_path / "suite.toml").write_text("name = 1\nseeds = 2\n")
    with pytest.raises(bench.BenchError) as caught:
        bench.load_suite(tmp_path / "suite.toml")
    assert len(caught.value.problems) >= 8


def test_a_suite_is_made_of_data_as_of_a_file(tmp_path):
    path = Path(__file__).parents[2] / "suites" / "digits.toml"
    data = tomllib.loads(path.read_text("utf-8"))
    assert bench.Suite.from_data(data, path) == bench.load_suite(path)
    suite = bench.Suite.from_data(data)
    assert (suite.name, str(suite.path)) == ("digits", "digits.toml")
    assert suite.runs == bench.load_suite(path).runs
    with pytest.raises(bench.BenchError, match=r"^digits\.toml: train\.epochs: should be a valid integer, not 'two'$"):
        bench.Suite.from_data(data | {"train": data["train"] | {"epochs": "two"}})
    with pytest.raises(bench.BenchError, match=r"^suite\.toml: is empty; a suite needs name, title, "):
        bench.Suite.from_data({})


def test_an_unknown_attribute_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'buid_model'"):
        _ = bench.buid_model


def test_dir_shows_the_library_and_nothing_else():
    shown = {name for name in dir(bench) if not name.startswith("_")}
    assert {"load_suite", "run_suite", "count_operations", "estimate_energy", "neurons"} <= shown
    assert shown == {*bench.__all__, "neurons", "models", "encoders"} - {"__version__"}
    assert all(getattr(bench, name) is not None for name in shown)


def test_annotations_are_for_whoever_uses_the_library():
    package = Path(bench.__file__).parent
    with open(package.parent / "pyproject.toml", "rb") as file:
        data = tomllib.load(file)["tool"]["setuptools"]["package-data"]
    assert "py.typed" in data["bench"] and (package / "py.typed").is_file()
