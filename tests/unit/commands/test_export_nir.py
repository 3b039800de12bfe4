"""`spikebench export-nir`: a trained network in a file, or the reason why NIR cannot say it."""

import sys

import nir
import numpy as np
import pytest
import torch
from support.command import in_process
from support.suites import entry, small_suite

import bench
from bench.runs.assembly import assemble
from bench.store.checkpoints import write_state
from bench.store.store import Store
from bench.suite.load import load_suite

HARD = {"label": "LIF, hard", "neuron": {"name": "lif", "reset": "hard"}, "timesteps": 4}


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A folder with a suite, and a checkpoint of seed 0 of one entry as its training leaves it."""
    monkeypatch.chdir(tmp_path)
    model = {"name": "mlp", "width": 16, "hidden": 1}
    text = small_suite("mini", entry("ANN", "relu", 1), HARD, entry("CLIF", "clif", 4), model=model, seeds=[0, 1])
    (tmp_path / "mini.toml").write_text(text, "utf-8")
    run = load_suite(tmp_path / "mini.toml").select("LIF, hard", 0)[0]
    checkpoint = Store().folder(run).checkpoint
    checkpoint.parent.mkdir(parents=True)
    write_state(checkpoint, {"epoch": run.spec.train.epochs, "model": trained(run).state_dict()})
    return tmp_path


def trained(run):
    model = assemble(run.spec).model
    with torch.no_grad():
        model.layers[0].bn.running_mean.fill_(0.25)
    return model.eval()


def test_a_trained_network_is_written_and_read(place):
    done = in_process("export-nir", "mini.toml", "--only", "LIF, hard")
    said = "mini-LIF-hard-0.nir: 'LIF, hard', seed 0; read back, it gives the same bits\n"
    assert (done.returncode, done.stdout, done.stderr) == (0, said, "")
    graph = nir.read(place / "mini-LIF-hard-0.nir")
    run = load_suite(place / "mini.toml").select("LIF, hard", 0)[0]
    assert graph.metadata == {
        "suite": "mini", "label": "LIF, hard", "seed": 0, "key": run.key, "timesteps": 4, "encoder": "direct",
        "readout": "mean over timesteps", "dt": 1e-4,
    }  # fmt: skip
    x = torch.rand(4, 3, 1, 8, 8)
    assert torch.allclose(bench.from_nir(place / "mini-LIF-hard-0.nir")(x), trained(run)(x), atol=1e-5)
    assert np.array_equal(graph.nodes["linear"].weight, trained(run).linear.weight.detach().numpy())


def test_the_file_goes_where_it_is_asked(place):
    done = in_process("export-nir", "mini.toml", "--only", "LIF, hard", "--seed", "0", "--out", "nets/a.nir")
    assert done.returncode == 0 and (place / "nets" / "a.nir").is_file()


@pytest.mark.parametrize(
    ("label", "why"),
    [
        ("ANN", "'layers_0_neuron': NIR has no ReLU"),
        (
            "CLIF",
            "'layers_0_neuron': NIR has no neuron with the equations of 'clif'; a 'lif' with reset = 'hard' it has",
        ),
    ],
)
def test_what_nir_cannot_say_is_refused_before_it_is_trained(place, label, why):
    done = in_process("export-nir", "mini.toml", "--only", label)
    said = f"spikebench: mini.toml: '{label}' cannot be written as NIR:\n{why}\n"
    assert (done.returncode, done.stdout, done.stderr) == (2, "", said)
    assert list(place.glob("*.nir")) == []


def test_what_is_not_trained_is_said_with_the_command_that_trains_it(place):
    done = in_process("export-nir", "mini.toml", "--only", "LIF, hard", "--seed", "1")
    assert done.returncode == 2
    assert "no trained network of 'LIF, hard' with seed 1; train it with: spikebench run mini.toml" in done.stderr


def test_without_the_package_the_extra_is_named(place, monkeypatch):
    monkeypatch.setitem(sys.modules, "nir", None)
    done = in_process("export-nir", "mini.toml", "--only", "LIF, hard")
    said = "spikebench: NIR graphs need the package nir: pip install spikebench[nir]\n"
    assert (done.returncode, done.stderr) == (2, said)
