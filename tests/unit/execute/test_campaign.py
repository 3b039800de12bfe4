"""How long a campaign takes on any number of workers, before it begins."""

import itertools
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.command import in_process
from support.runs import SUITE, put, record

from bench.errors import BenchError
from bench.execute.campaign import (
    Duration,
    durations_of,
    most_useful_workers,
    read_rates,
    seconds_taken,
    seedless,
    simulated,
)
from bench.execute.workload import samples_of, work_of

CLOCK = {"train_s": 20.0, "measure_s": 1.0, "process_s": 25.0, "images_per_s": 2000.0}
RUNS = SUITE.runs


def timed(*seconds):
    return [Duration(run, each, "") for run, each in zip(itertools.cycle(RUNS), seconds, strict=False)]


def test_a_worker_that_is_free_takes_the_longest_that_is_left():
    lif, ann = SUITE.select("LIF"), SUITE.select("ANN")
    durations = [Duration(ann[0], 1.0, ""), *(Duration(run, 4.0, "") for run in lif)]
    schedule = simulated(durations, 2)  # 4, 4; then 4; then 1 beside it
    assert (schedule.makespan_s, schedule.busy_s, schedule.last.run) == (8.0, 13.0, lif[2])
    assert schedule.utilisation_fraction == 13 / 16 and schedule.worker_hours == 16 / 3600
    assert simulated(durations, 2, start_s=0.5).makespan_s == 9.0


@given(st.lists(st.floats(0.1, 100), min_size=1, max_size=12), st.integers(1, 20))
def test_no_schedule_is_shorter_than_its_work_or_its_longest_run_nor_twice_as_long(seconds, workers):
    durations = timed(*seconds)
    bound = max(max(seconds), sum(seconds) / workers)
    made = simulated(durations, workers).makespan_s
    assert bound * (1 - 1e-9) <= made <= 2 * bound * (1 + 1e-9)  # Graham 1969
    enough = most_useful_workers(durations)
    assert simulated(durations, enough).makespan_s == pytest.approx(max(seconds))


def test_a_run_takes_what_runs_of_its_entry_took_or_as_long_as_its_macs_at_the_slowest_rate():
    [lif] = SUITE.select("LIF", 0)
    found = durations_of(RUNS, [record(lif, wall_clock=CLOCK)])
    named = {each.run.label: each for each in found}
    assert (named["LIF"].seconds, named["LIF"].source) == (25.0, "1 finished run")
    assert named["CLIF"].seconds == pytest.approx(25.0) and "MACs" in named["CLIF"].source
    [ann] = SUITE.select("ANN", 0)
    assert named["ANN"].seconds == pytest.approx(25.0 * work_of(ann.spec) / work_of(lif.spec))
    with pytest.raises(BenchError, match="spikebench speed SUITE --json FILE"):
        durations_of(RUNS, [])


def test_what_was_measured_again_by_itself_has_taken_its_training_too():
    assert seconds_taken(record(wall_clock=CLOCK | {"process_s": 3.0})) == 21.0
    assert seconds_taken(record()) is None


def test_measured_steps_come_first(tmp_path):
    [lif] = SUITE.select("LIF", 0)
    entries = [
        {"label": "LIF", "neurons": "spikebench", "spec": lif.spec.to_json(), "images_per_s": 1000.0},
        {"label": "LIF", "neurons": "spikingjelly 2.0.0", "spec": lif.spec.to_json(), "images_per_s": 1.0},
    ]
    (tmp_path / "speed.json").write_text(json.dumps({"entries": entries}))
    rates = read_rates(tmp_path / "speed.json")
    assert rates == {seedless(lif.spec): 1000.0}
    [found] = durations_of([lif], [record(lif, wall_clock=CLOCK)], rates)
    assert samples_of(lif.spec) == (1437, 360)
    assert found.seconds == pytest.approx(lif.spec.train.epochs * (1437 + 120) / 1000)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"entries": [{"neurons": "spikebench", "spec": {}}]}'])
def test_a_file_that_is_none_of_those_is_one_message(tmp_path, text):
    (tmp_path / "speed.json").write_text(text)
    with pytest.raises(BenchError, match="is not what `spikebench speed SUITE --json FILE` writes"):
        read_rates(tmp_path / "speed.json")
    with pytest.raises(BenchError, match="cannot be read: No such file"):
        read_rates(tmp_path / "none.json")


def test_the_verb_plans_what_is_to_do(store, monkeypatch):
    monkeypatch.chdir(store.root.parent)
    for run in RUNS:
        put(store, run, wall_clock=CLOCK)
    done = in_process("plan", SUITE.path, "--workers", "2", "--workers", "400", "--all")
    assert done.returncode == 0, done.stderr
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in done.stdout.splitlines() if "|" in line]
    assert ["2", "3 min", "100 %"] in [row[:3] for row in rows] and ["400", "26 s", "3 %"] in [row[:3] for row in rows]
    assert "12 runs: 5 min of work." in done.stdout and "more than 12 workers gain nothing" in done.stdout
    assert "12 runs: nothing to do" in in_process("plan", SUITE.path).stdout
