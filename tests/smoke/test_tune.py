"""Every entry tuned with the same budget, as a user does it."""

import tomllib

import pytest
from support.command import spikebench
from support.reports import cells, section
from support.suites import entry, small_suite

pytest.importorskip("optuna", reason="needs the extra `tune`")
pytest.importorskip("tomli_w", reason="needs the extra `tune`")

RATE = "train.optimizer.learning_rate"
TUNE = {"trials": 3, "held_out": 0.2, "space": {RATE: {"low": 1e-4, "high": 1e-1, "log": True}}}


@pytest.fixture
def place(tmp_path):
    entries = entry("ANN", "relu", 1), entry("LIF", "lif", 2)
    text = small_suite("small", *entries, train={"epochs": 1}, contrasts=[], tune=TUNE)
    (tmp_path / "small.toml").write_text(text)
    return tmp_path


@pytest.mark.long
def test_trials_are_runs_and_what_was_found_is_a_suite(place):
    done = spikebench("tune", "small.toml", cwd=place)
    assert done.returncode == 0, done.stderr
    assert "trial 3 of 3" in done.stdout and "next: spikebench run small-tuned.toml" in done.stdout
    written = (place / "small-tuned.toml").read_text()
    found = tomllib.loads(written)
    told = [each["tuned"] for each in found["entries"] if "tuned" in each]
    assert [each["of"] for each in told] == ["ANN", "LIF"] and {len(each["trials"]) for each in told} == {3}
    assert {each["trials"][0][0] for each in told} == {5e-3}  # its own value is the first trial
    assert len(list((place / "runs" / "small-trials").glob("*/record.json"))) == 6
    again = spikebench("tune", "small.toml", cwd=place)
    assert again.stdout.count("2 runs: 2 done, 0 to do") == 3 and again.returncode == 0
    assert (place / "small-tuned.toml").read_text() == written
    assert spikebench("run", "small-tuned.toml", cwd=place).returncode == 0
    assert spikebench("report", "small-tuned.toml", cwd=place).returncode == 0
    page = (place / "reports" / "small-tuned" / "report.md").read_text()
    header, *rows = cells(section(page, "Tuning").strip().split("\n\n")[1])
    assert [row[1] for row in rows] == ["3", "3"] and "learning_rate 0.005000" in rows[0][2].replace(
        "0.005", "0.005000"
    )
    for row, each in zip(rows, told, strict=True):
        accuracies = [trial[-1] for trial in each["trials"]]
        assert float(row[header.index("held-out, %")]) == pytest.approx(accuracies[0], abs=0.005)
        assert f"{max(accuracies):.2f}" in row


def test_a_suite_without_a_space_is_told_what_to_say(place):
    (place / "bare.toml").write_text(small_suite("bare", entry("ANN", "relu", 1)))
    done = spikebench("tune", "bare.toml", cwd=place)
    assert done.returncode == 2 and "bare.toml: no [tune]; say `trials` and a `space`" in done.stderr
    outside = small_suite("bare", entry("ANN", "relu", 1), tune=TUNE | {"space": {RATE: {"low": 0.1, "high": 1.0}}})
    (place / "bare.toml").write_text(outside)
    done = spikebench("tune", "bare.toml", cwd=place)
    assert done.returncode == 2 and "learning_rate of 'ANN' is 0.005, outside 0.1 to 1" in done.stderr
    assert not (place / "runs").exists()


def test_what_is_not_its_own_is_not_replaced(place):
    before = (place / "small.toml").read_text()
    for out, words in (
        ("small.toml", "was not made by tune"),
        (".", "is a folder"),
        ("no/x.toml", "there is no folder"),
    ):
        done = spikebench("tune", "small.toml", "--out", out, cwd=place)
        assert done.returncode == 2 and words in done.stderr, out
    assert (place / "small.toml").read_text() == before and not (place / "runs").exists()


def test_a_trial_in_which_all_fail_is_the_worst_and_not_the_end(place):
    wide = TUNE | {"trials": 3, "space": {RATE: {"low": 4e-3, "high": 1e30, "log": True}}}
    entries = entry("ANN", "relu", 1), entry("LIF", "lif", 2)
    (place / "small.toml").write_text(small_suite("small", *entries, train={"epochs": 1}, tune=wide))
    done = spikebench("tune", "small.toml", cwd=place)
    assert done.returncode == 0, done.stdout + done.stderr
    tuned = tomllib.loads((place / "small-tuned.toml").read_text())["entries"]
    trials = {each["tuned"]["of"]: each["tuned"]["trials"] for each in tuned if "tuned" in each}
    assert len(trials["ANN"]) == len(trials["LIF"]) == 3 and trials["ANN"][1][0] != trials["LIF"][1][0]


def test_check_says_what_tune_would(place):
    whole = TUNE | {"space": {"train.epochs": {"low": 1.0, "high": 3.0}}}
    (place / "whole.toml").write_text(small_suite("whole", entry("ANN", "relu", 1), tune=whole))
    for verb in ("check", "tune"):
        done = spikebench(verb, "whole.toml", cwd=place)
        assert done.returncode == 2 and "train.epochs is a whole number" in done.stderr
