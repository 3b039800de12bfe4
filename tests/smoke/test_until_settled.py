"""Seeds added until every comparison is settled, as a user does it."""

import pytest
from support.command import spikebench
from support.suites import entry, small_suite

from bench.records.lines import read_records

ANN, LIF = entry("ANN", "relu", 1), entry("LIF", "lif", 2)


@pytest.fixture
def folder(tmp_path):
    def write(**changes):
        text = small_suite("small", ANN, LIF, train={"epochs": 1}, seeds=[0, 1, 2], **changes)
        (tmp_path / "small.toml").write_text(text)
        return tmp_path

    return write


@pytest.mark.long
def test_seeds_are_added_look_by_look_until_the_budget_ends(folder):
    place = folder(most_seeds=6, margin_points=1e-6)  # after an epoch the two are as good as chance makes them
    first = spikebench("run", "small.toml", "--until-settled", "--most-seeds", "5", cwd=place)
    assert first.returncode == 0, first.stderr
    lines = [line for line in first.stdout.splitlines() if line.startswith("small.toml:") or " to do" in line]
    if "open: " not in first.stdout:
        pytest.skip("the two networks differ enough for three seeds on this machine")
    assert lines[0] == "6 runs: 6 to do"
    assert lines[1].startswith("small.toml: 0 of 1 comparisons settled at 3 seeds; open: LIF - ANN")
    assert lines[2] == "8 runs: 6 done, 2 to do"
    assert lines[-1] == "small.toml: the next look is at 6 seeds; stopped"
    assert spikebench("report", "small.toml", cwd=place).returncode == 0
    records = read_records(place / "reports" / "small" / "records.jsonl")
    assert sorted({record.seed for record in records}) == [0, 1, 2, 3]
    page = (place / "reports" / "small" / "report.md").read_text()
    assert "it is looked at 3, 4, 6 seeds, and this is the look at 4" in page
    assert "seeds 0, 1, 2, 3; 8 of 8 runs finished" in page
    assert spikebench("report", "small.toml", "--check", cwd=place).returncode == 0
    status = spikebench("status", "small.toml", cwd=place).stdout
    assert "8 done" in status and "missing" not in status


def test_nothing_is_added_to_what_is_settled(folder):
    place = folder(most_seeds=6, margin_points=100.0)  # within which any two networks are
    found = spikebench("run", "small.toml", "--until-settled", cwd=place)
    assert found.returncode == 0, found.stderr
    assert "small.toml: 1 of 1 comparisons settled at 3 seeds" in found.stdout
    assert "4 seeds" not in found.stdout
    again = spikebench("run", "small.toml", "--until-settled", cwd=place)
    assert "6 runs: 6 done, 0 to do" in again.stdout and "settled at 3 seeds" in again.stdout


@pytest.mark.parametrize(
    ("most", "options", "problem"),
    [
        (None, ["--until-settled"], "small.toml: no most_seeds; add a line like `most_seeds = 20`"),
        (6, ["--most-seeds", "4"], "--most-seeds: only with --until-settled"),
        (6, ["--until-settled", "--most-seeds", "7"], "begins with 3 seeds, and its intervals are corrected for at"),
        (6, ["--until-settled", "--only", "LIF", "--force"], "with the same seeds; leave --only and --force out"),
    ],
)
def test_what_makes_no_sense_is_refused(folder, most, options, problem):
    place = folder(**({} if most is None else {"most_seeds": most}))
    found = spikebench("run", "small.toml", *options, cwd=place)
    assert found.returncode == 2 and problem in " ".join(found.stderr.split())
    assert "Traceback" not in found.stderr and not (place / "runs").exists()


def test_a_plan_is_shown_without_training(folder):
    place = folder(most_seeds=6)
    found = spikebench("run", "small.toml", "--until-settled", "--dry-run", cwd=place)
    assert found.returncode == 0 and "6 runs: 6 to do" in found.stdout
    looks = "small.toml: comparisons are looked at when these are done, at 3 seeds; then, while one is open, at 4, 6"
    assert found.stdout.splitlines()[-1] == looks
    assert not list((place / "runs").glob("*/*/record.json"))


def test_the_plan_goes_on_where_the_runs_of_a_look_are_done(folder):
    place = folder(most_seeds=6, margin_points=1e-6)
    assert spikebench("run", "small.toml", cwd=place).returncode == 0
    lines = spikebench("run", "small.toml", "--until-settled", "--dry-run", cwd=place).stdout.splitlines()
    if "open: " not in "".join(lines):
        pytest.skip("the two networks differ enough for three seeds on this machine")
    assert [line for line in lines if " to do" in line] == ["6 runs: 6 done, 0 to do", "8 runs: 6 done, 2 to do"]
    assert lines[-1].endswith("looked at when these are done, at 4 seeds; then, while one is open, at 6")


def test_one_entry_has_nothing_to_settle(tmp_path):
    (tmp_path / "small.toml").write_text(small_suite("small", ANN, seeds=[0, 1, 2], most_seeds=6, contrasts=[]))
    found = spikebench("run", "small.toml", "--until-settled", cwd=tmp_path)
    assert found.returncode == 2 and "one entry has no comparison to settle" in found.stderr


@pytest.mark.long
def test_seeds_that_were_added_are_run_again_like_the_others(folder):
    place = folder(most_seeds=6)
    for seed in (0, 1, 2, 3):
        assert spikebench("run", "small.toml", "--seed", seed, cwd=place).returncode == 0
    assert "8 runs: 8 done, 0 to do" in spikebench("run", "small.toml", cwd=place).stdout
    [added] = [
        path
        for path in (place / "runs").glob("small/*/record.json")
        if '"label":"LIF"' in path.read_text() and '"seed":3' in path.read_text()
    ]
    added.unlink()
    planned = spikebench("run", "small.toml", "--dry-run", cwd=place).stdout
    assert planned.startswith("8 runs: 7 done, 1 to do") and "small/LIF seed 3" in planned


def test_a_run_that_fails_keeps_no_other_suite_from_being_settled(folder):
    place = folder(most_seeds=6, margin_points=100.0)
    text = (place / "small.toml").read_text()
    (place / "fails.toml").write_text(
        text.replace('"small"', '"fails"').replace("learning_rate = 0.005", "learning_rate = 1e30")
    )
    done = spikebench("run", "fails.toml", "small.toml", "--until-settled", cwd=place)
    assert done.returncode == 1 and "failed: " in done.stderr
    assert "small.toml: 1 of 1 comparisons settled at 3 seeds" in done.stdout
