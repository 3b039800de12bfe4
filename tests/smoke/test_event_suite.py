"""Recordings from their files to a report: framed once, counted as events, a subset so called, damage named."""

import json

import pytest
import torch
from support.command import spikebench
from support.event_files import nmnist_bytes, random_events
from support.suites import entry, small_suite

from bench.data.events import NMnist

FRAMES = {"encoder": {"name": "frames"}}
ENTRIES = (
    entry("ANN", "relu", 3, **FRAMES),
    entry("merged", "relu", 1, encoder={"name": "merged"}),
    entry("LIF", "lif", 3, **FRAMES),
)


def suite(**dataset):
    optimizer = {"name": "adamw", "learning_rate": 1e-2}
    return small_suite(
        "gestures",
        *ENTRIES,
        dataset={"name": "n-mnist", "validation_fraction": 0.2, **dataset},
        model={"name": "convnet", "width": 4, "stages": 2},
        train={"epochs": 4, "batch_size": 10, "optimizer": optimizer, "augment": ["roll", "event-drop"]},
    )


@pytest.fixture
def place(tmp_path):
    """Recordings of events in the left or in the right half, 20 of each to train and 5 to test."""
    for part, count in (("Train", 20), ("Test", 5)):
        for label in (3, 8):
            folder = tmp_path / "data" / "NMNIST" / part / str(label)
            folder.mkdir(parents=True)
            for index in range(count):
                events = random_events(300, (17, 34, 2), 1000 * label + index + (500 if part == "Test" else 0))
                events["x"] += 17 * (label == 8)
                (folder / f"{index:05d}.bin").write_bytes(nmnist_bytes(events))
    return tmp_path


def run(place, binary):
    (place / "gestures.toml").write_text(suite(partial=True, binary=binary))
    return spikebench("run", "gestures.toml", "--offline", "--device", "cpu", cwd=place)


@pytest.mark.long
@pytest.mark.parametrize("binary", [False, True])
def test_recordings_are_framed_once_trained_on_and_counted_as_events(place, binary):
    code, out, err = run(place, binary)
    assert code == 0, err
    assert out.count("framing 40 recordings") == out.count("framing 10 recordings") == 2  # in 3 frames, and in 1
    records = {
        record["label"]: record
        for path in (place / "runs").rglob("record.json")
        if (record := json.loads(path.read_text()))
    }
    frames = {t: NMnist(partial=True, binary=binary, _timesteps=t).load(place / "data", offline=True) for t in (1, 3)}
    for label, record in records.items():
        images = frames[record["spec"]["timesteps"]].test.images
        first, *later = record["layers"]
        assert first["input_kind"] == ("binary" if binary else "graded"), label
        assert first["network_input"] and first["input_nonzero_total"] == int((images > 0).sum())
        assert first["graded_acs_total"] == (None if binary else acs(images))
        assert {layer["input_kind"] for layer in later} == ({"binary"} if label == "LIF" else {"analog"})
        assert record["data"] == {
            "recordings": {"train": 40, "test": 10},
            "complete": 70_000,
            "files": records["ANN"]["data"]["files"],
        }
        assert record["test_samples"] == 10 and len(record["accuracy_by_timestep"]) == record["spec"]["timesteps"]
        assert record["history"][-1]["validation_accuracy_fraction"] is not None
    assert records["ANN"]["accuracy_fraction"] == 1.0  # left and right are easy to tell apart

    code, out, err = spikebench("run", "gestures.toml", "--offline", "--force", "--only", "LIF", cwd=place)
    assert code == 0 and "framing" not in out, err
    code, out, err = spikebench("report", "gestures.toml", cwd=place)
    assert code == 0, err
    report = (place / "reports" / "gestures" / "report.md").read_text()
    assert "**A subset of the data, not comparable with results on all of it.**" in report
    assert "Recordings of n-mnist: 40 to train, 10 to test, of 70,000." in report
    assert "The runs are **matched**" in report


def acs(images):
    """Every count meets the 4 x 3 x 3 weights that reach it: fewer at the borders (an ordinary convolution says so)."""
    frames = images.flatten(0, 1).double()
    ones = torch.ones(4, frames.shape[1], 3, 3, dtype=torch.float64)
    return int(torch.nn.functional.conv2d(frames, ones, padding=1).sum())


@pytest.mark.parametrize("damage", ["cut", "missing"])
def test_damage_is_one_message_and_exit_code_2(place, damage):
    path = place / "data" / "NMNIST" / "Train" / "3" / "00007.bin"
    if damage == "cut":
        path.write_bytes(path.read_bytes()[:-2])
    else:
        (place / "data" / "NMNIST").rename(place / "data" / "elsewhere")
    code, _, err = run(place, False)
    assert code == 2
    if damage == "cut":
        assert f"{path}: damaged, or not of n-mnist (its 1,498 bytes are no whole number of 5-byte events)" in err
    else:
        assert "n-mnist: not found" in err
    assert not list((place / "runs").rglob("record.json"))


def test_a_subset_needs_the_suites_word(place):
    (place / "gestures.toml").write_text(suite(binary=False))
    code, _, err = spikebench("run", "gestures.toml", "--offline", cwd=place)
    assert code == 2 and "Train holds 40 of 60,000 recordings, Test holds 10 of 10,000" in err
    assert 'say "partial = true" in the suite' in err
