"""Latency-coded digits whose networks are tested without their time, and trained without gradients through it."""

import json

import pytest
from support import ROOT
from support.command import spikebench
from support.suites import entry, small_suite

LATENCY = {"encoder": {"name": "latency"}}
SPACE = {"train": {"gradient": "space"}, "unmatched": ["train.gradient"]}


def suite(*tested):
    more = {"tested": list(tested)} if tested else {}
    lif = entry("LIF", "lif", 4, **LATENCY, **more)
    return small_suite("coded", entry("ANN", "relu", 1), lif, entry("LIF, space", "lif", 4, **LATENCY, **SPACE))


def records(folder):
    found = (json.loads(path.read_text()) for path in (folder / "runs").rglob("record.json"))
    return {record["label"]: record for record in found}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("coded")
    (folder / "coded.toml").write_text(suite())
    done = spikebench("run", "coded.toml", cwd=folder)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.mark.long
def test_tests_of_time_measure_again_and_train_nothing(folder):
    before = records(folder)
    (folder / "coded.toml").write_text(suite("shuffled", "merged"))
    done = spikebench("run", "coded.toml", cwd=folder)
    assert done.returncode == 0, done.stderr
    after = records(folder)
    lif, space = after["LIF"], after["LIF, space"]
    assert lif["history"] == before["LIF"]["history"] and lif["correct"] == before["LIF"]["correct"]
    assert space == before["LIF, space"] and "tested" not in space
    assert [each["frames"] for each in lif["tested"]] == ["merged", "shuffled"]
    for each in lif["tested"]:
        assert each["test_samples"] == 360 and len(each["accuracy_by_timestep"]) == 4
        assert each["correct"] != lif["correct"] and each["accuracy_fraction"] == each["accuracy_by_timestep"][-1]
    # The two trainings begin alike and are fed alike; they part where gradients do.
    assert all(lif["digests"][name] == space["digests"][name] for name in ("initial_weights", "sample_order"))
    assert [row["train_loss"] for row in lif["history"]] != [row["train_loss"] for row in space["history"]]

    done = spikebench("report", "coded.toml", cwd=folder)
    assert done.returncode == 0, done.stderr
    page = (folder / "reports" / "coded" / "report.md").read_text()
    section = page.partition("## Does this task need time?")[2].partition("\n## ")[0]
    assert [f"{100 * each['accuracy_fraction']:.2f}" in section for each in (lif, *lif["tested"], space)] == [True] * 4
    assert "**LIF**: no fall is established" in section  # with one seed
    claim = "Without time no fall in accuracy is established: no claim about temporal gradients can be made here."
    assert claim in page
    assert "LIF, space differs by declaration: train.gradient." in page and "train.gradient = space" in page
    assert "The runs are **matched**" in page
    assert spikebench("report", "coded.toml", "--check", cwd=folder).returncode == 0


def test_a_neuron_with_a_time_loop_of_its_own_is_refused_before_training(tmp_path):
    (tmp_path / "mine.py").write_text(
        "import torch\n"
        "from bench.neurons import LIF\n\n\n"
        "class Own(LIF):\n"
        '    """LIF, stepped here: u = (1 - 1/tau) v + x."""\n\n'
        "    def forward(self, x):\n"
        "        return torch.stack([self.step(current, self.initial_state(current))[0] for current in x])\n"
    )
    own = entry("own", "mine:Own", 4, **LATENCY, **SPACE)
    (tmp_path / "own.toml").write_text(small_suite("own", entry("ANN", "relu", 1), own))
    done = spikebench("check", "own.toml", "--trust", cwd=tmp_path, PYTHONPATH=f"{ROOT}:{tmp_path}")
    assert done.returncode == 2 and "Traceback" not in done.stderr
    assert "entry 'own': train.gradient = 'space': neuron 'Own' steps through time by itself" in done.stderr
