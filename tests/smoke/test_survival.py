"""Runs killed at random moments, raced by several commands, short of memory: nothing is lost or done twice."""

import contextlib
import json
import os
import random
import signal
import subprocess
import time
from collections import Counter
from itertools import starmap

import pytest
from support.command import afresh, spikebench, start
from support.runs import twin
from support.suites import entry, survivor

from bench.errors import CorruptError
from bench.files.lock import holder_of
from bench.store.store import State, Store
from bench.suite.load import load_suite

ENDS = {  # ways to end a run, and the exit codes that may follow; a signal may come before the command hears it
    "kill the command": {0, -9},
    "kill the worker": {0, 1, -9},
    "kill both": {0, -9},
    "terminate": {0, 143, -15},
    "interrupt": {0, 130, -2},
}
WAYS = tuple(ENDS)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """Return the record of a run that nobody disturbed, and how long its command took."""
    folder = tmp_path_factory.mktemp("whole")
    (folder / "survivor.toml").write_text(survivor())
    began = time.monotonic()
    code, _, stderr = afresh("run", "survivor.toml", cwd=folder)  # as long as those that are killed
    assert code == 0, stderr
    [path] = folder.glob("runs/survivor/*/record.json")
    return twin(path), time.monotonic() - began


def end(process, folder, way):
    """End a command and what it started, in one of the ways that a run is ended by; return its exit code."""
    holder = holder_of(folder.lock_file)
    if way in ("kill the worker", "kill both") and holder is not None:
        with contextlib.suppress(ProcessLookupError):  # it has just ended
            os.kill(holder.pid, signal.SIGKILL)
    if way in ("kill the command", "kill both") or (way == "kill the worker" and holder is None):
        process.kill()
    elif way == "terminate":
        process.terminate()
    elif way == "interrupt":
        process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=120)
    deadline = time.monotonic() + 60
    while folder.executed_by() is not None and time.monotonic() < deadline:
        time.sleep(0.05)  # a worker that finds nobody listening saves first
    return process.returncode, stderr


def killed_at_random(tmp_path, whole, kills, seed):
    expected, seconds = whole
    (tmp_path / "survivor.toml").write_text(survivor())
    suite = load_suite(tmp_path / "survivor.toml")
    [run], store, chance = suite.runs, Store(tmp_path / "runs"), random.Random(seed)
    folder, done, seen, finished = store.folder(run), 0, Counter(), 0
    while done < kills or store.state(run) is not State.DONE:
        process, way, stderr = start("run", "survivor.toml", cwd=tmp_path), WAYS[done % len(WAYS)], None
        began = time.monotonic()
        if done < kills:
            try:
                process.wait(chance.uniform(0.3, 1.0) * seconds)
            except subprocess.TimeoutExpired:
                code, stderr = end(process, folder, way)
                assert code in ENDS[way], (way, code, stderr)
        if stderr is None:
            _, stderr = process.communicate(timeout=300)
            seconds = min(seconds, time.monotonic() - began)  # the machine was busier when that was measured
        assert "Traceback" not in stderr
        done += store.state(run) is not State.DONE  # it was ended on its way
        state = store.state(run)
        seen[state] += 1
        begun = folder.checkpoint.is_file() or folder.older_checkpoint.is_file()
        assert state in (State.MISSING, State.PARTIAL, State.FAILED, State.DONE), (way, state)
        if state is State.PARTIAL:
            assert begun
        if state is State.MISSING:
            assert not begun
        if state is State.FAILED:
            assert "killed by SIGKILL" in store.remark(run)
        if state is State.DONE:
            assert twin(folder.record) == expected
            finished += 1
            if done < kills:
                for path in (folder.record, folder.checkpoint, folder.older_checkpoint):
                    path.unlink(missing_ok=True)
    assert not list(folder.path.glob("*.corrupt-*"))
    assert seen[State.PARTIAL] + seen[State.FAILED] > 0 and finished > 0
    print(f"{done} kills, {finished} times to the end, states after them: {dict(seen)}")


@pytest.mark.long
def test_a_run_killed_at_random_moments_ends_in_the_same_record(tmp_path, whole):
    killed_at_random(tmp_path, whole, kills=5, seed=0)


@pytest.mark.slow
def test_a_run_killed_at_many_random_moments_ends_in_the_same_record(tmp_path, whole):
    killed_at_random(tmp_path, whole, kills=50, seed=1)


RACERS = [("ANN", "relu", 1), ("LIF", "lif", 2), ("IF", "if", 2), ("CLIF", "clif", 2)]


@pytest.mark.long
@pytest.mark.parametrize("commands", [2, 4])
def test_commands_that_race_over_a_suite_do_every_run_once(tmp_path, commands):
    diverges = {"train": {"optimizer": {"learning_rate": 1e38}}, "unmatched": ["train"]}
    entries = [*starmap(entry, RACERS), entry("broken", "lif", 3, **diverges)]
    (tmp_path / "survivor.toml").write_text(survivor(*entries, epochs=2))
    processes = [start("run", "survivor.toml", "--jobs", 2, cwd=tmp_path) for _ in range(commands)]
    ends = [(*process.communicate(timeout=300), process.returncode) for process in processes]
    for stdout, stderr, code in ends:
        assert code == 1 and "Traceback" not in stderr
        assert "failed: broken seed 0: the loss is" in stderr
        assert all(f"survivor/{label} seed 0: done" in stdout for label, _, _ in RACERS)
    started = Counter()
    for log in tmp_path.glob("runs/survivor/*/log.txt"):
        started[log.parent.name] = log.read_text().count(": begins on cpu")
    assert sorted(started.values()) == [1] * 5
    suite, store = load_suite(tmp_path / "survivor.toml"), Store(tmp_path / "runs")
    states = {run.label: store.state(run) for run in suite.runs}
    assert states == {label: State.DONE for label, _, _ in RACERS} | {"broken": State.FAILED}
    assert not list(tmp_path.glob("runs/survivor/*/lock")) and not list(tmp_path.glob("runs/survivor/*/*.part"))


@pytest.mark.long
def test_a_run_short_of_memory_says_so_and_the_others_go_on(tmp_path):
    huge = entry("huge", "lif", 2, model={"width": 4096}, unmatched=["model"])
    vast = entry("vast", "lif", 2, model={"width": 2**15}, unmatched=["model"])  # of which no layer can be made
    (tmp_path / "survivor.toml").write_text(survivor(entry("ANN", "relu", 1), huge, vast, epochs=1))
    code, stdout, stderr = spikebench("run", "survivor.toml", "--jobs", 1, cwd=tmp_path, memory_bytes=5 * 2**30)
    assert code == 1
    assert "failed: huge seed 0: out of memory" in stderr and "lower train.batch_size" in stderr
    assert "failed: vast seed 0: out of memory" in stderr
    assert "survivor/ANN seed 0: done" in stdout and "can go on" not in stdout
    assert spikebench("report", "survivor.toml", cwd=tmp_path)[0] == 0
    assert "out of memory" in (tmp_path / "reports" / "survivor" / "report.md").read_text()
    assert "out of memory" in json.loads(next(tmp_path.glob("runs/survivor/*/failure.json")).read_text())["error"]


@pytest.mark.long
def test_a_damaged_store_is_told_and_mended(tmp_path, whole):
    """Both files of a finished run changed: told by status, set aside by run, trained again to the same record."""
    expected, _ = whole
    (tmp_path / "survivor.toml").write_text(survivor())
    assert spikebench("run", "survivor.toml", cwd=tmp_path)[0] == 0
    suite, store = load_suite(tmp_path / "survivor.toml"), Store(tmp_path / "runs")
    [run] = suite.runs
    folder = store.folder(run)
    for path in (folder.record, folder.checkpoint):
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 4
        path.write_bytes(content)
    with pytest.raises(CorruptError):
        folder.check()
    code, stdout, _ = spikebench("status", "survivor.toml", cwd=tmp_path)
    assert code == 0 and stdout.splitlines()[0] == "survivor.toml: 1 corrupt" and "record.json: corrupt: " in stdout
    code, stdout, stderr = spikebench("run", "survivor.toml", cwd=tmp_path)
    assert code == 0 and "1 to do (1 corrupt)" in stdout, stderr
    assert "record.json: corrupt: " in stdout and "kept as record.json.corrupt-1" in stdout
    assert "checkpoint.pt: corrupt: " in stdout and "kept as checkpoint.pt.corrupt-1" in stdout
    assert twin(folder.record) == expected and store.state(run) is State.DONE


DATA = """
import torch
from bench.data.base import Arrays, Dataset, Split

class Faulty(Dataset):
    name, in_channels, classes, image_size = "faulty", 1, 2, (8, 8)
    train_samples, test_samples, mean, std = 64, 16, (0.5,), (0.25,)

    def __init__(self, *, fault: str = ""):
        self.fault = fault

    def load(self, root, *, offline):
        labels = torch.arange(64) % 2
        images = labels.view(-1, 1, 1, 1).expand(-1, 1, 8, 8) * 200 + torch.arange(64).view(1, 1, 8, 8)
        train, test = [Split(images[:n].to(torch.uint8), labels[:n].clone()) for n in (64, 16)]
        if self.fault == "one class":
            train.labels.zero_()
        if self.fault == "out of range":
            train.labels[3] = 7
        if self.fault == "no test":
            test = test.subset(torch.arange(0))
        return Arrays(train, test, None, 2, torch.tensor(self.mean), torch.tensor(self.std))
"""


def test_data_that_cannot_be_used_fails_its_runs_alone_and_is_a_row(tmp_path):
    (tmp_path / "mydata.py").write_text(DATA)
    faulty = [
        entry(fault, "lif", 2, dataset={"fault": fault}, unmatched=["dataset"])
        for fault in ("one class", "out of range", "no test")
    ]
    text = survivor(entry("good", "lif", 2), *faulty, epochs=1, dataset={"name": "mydata:Faulty"})
    (tmp_path / "survivor.toml").write_text(text)
    code, stdout, stderr = spikebench("run", "survivor.toml", "--trust", cwd=tmp_path)
    assert code == 1 and "survivor/good seed 0: done" in stdout
    where = "data set 'mydata:Faulty'"
    reasons = {
        "one class": f"{where} (train split): all 64 samples are of class 0; at least two classes are needed",
        "out of range": f"{where} (train split): label 7 is out of range; 2 classes are numbered 0 to 1",
        "no test": f"{where} (test split): no samples; the copy is empty or incomplete",
    }
    assert spikebench("report", "survivor.toml", cwd=tmp_path)[0] == 0
    report = (tmp_path / "reports" / "survivor" / "report.md").read_text()
    for label, reason in reasons.items():
        assert f"failed: {label} seed 0: {reason}" in stderr
        assert any(
            line.startswith(f"| {label} ") and "| failed" in line and reason in line for line in report.split("\n")
        )
