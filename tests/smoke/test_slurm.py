"""Runs on a real SLURM: pre-empted, queued again, cancelled, failed; the records are those of a local command."""

import os
import signal
import subprocess
import time
from collections import Counter
from pathlib import Path

import pytest
from support.command import TIMEOUT_S, afresh, spikebench, start
from support.runs import twin
from support.slurm import slurm, why_not
from support.suites import entry, small_suite

from bench.execute.slurm.submissions import tasks
from bench.store.store import State, Store
from bench.suite.load import load_suite

pytestmark = pytest.mark.skipif(bool(why_not()), reason=why_not())

NEURONS = '''
import os
import time

from bench.neurons.lif import LIF


class Broken(LIF):
    """LIF that cannot take a step."""

    def step(self, x, state):
        raise ValueError("no step is taken")


class Patient(LIF):
    """LIF that takes its time while a file is there."""

    def step(self, x, state):
        time.sleep(1.0 * os.path.exists("slowly"))
        return super().step(x, state)
'''
MODEL = {"name": "convnet", "width": 4, "stages": 1}
LONG = ("preempted", "requeued", "near its limit")


@pytest.fixture(scope="module")
def cluster():
    """The environment of a SLURM with three CPUs; behind it none of its processes is left."""
    with slurm(cpus=3) as environment:
        yield {name: environment[name] for name in ("PATH", "SLURM_CONF")}
    left = [path for path in Path("/proc").glob("[0-9]*/cmdline") if b"bench.execute.slurm.task" in read(path)]
    assert left == []


def read(path):
    try:
        return path.read_bytes()
    except OSError:
        return b""


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A folder with neurons of its own, a page of resources, and a function that writes a suite there."""
    (tmp_path / "awkward.py").write_text(NEURONS)
    (tmp_path / "lab.toml").write_text('partition = "low"\ntime = 30\ncpus = 1\n')
    (tmp_path / "slowly").touch()
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


@pytest.fixture
def begin(cluster, place):
    """Start a command there, which does not outlive the test."""
    begun = []

    def begin(*words):
        begun.append(start(*words, cwd=place, **cluster))
        return begun[-1]

    yield begin
    for process in begun:
        process.kill()
        process.communicate()


def write(place, name, *entries):
    """Write a suite and return the folder of its first run."""
    (place / name).write_text(small_suite(name.removesuffix(".toml"), *entries, model=MODEL, train={"epochs": 3}))
    return Store(place / "runs").folder(load_suite(place / name).runs[0])


def patient(label, tau=2.0):
    return entry(label, "", 2) | {"neuron": {"name": "awkward:Patient", "tau": tau}}


def said(cluster, *command):
    done = subprocess.run(command, env=os.environ | cluster, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, (command, done.stderr)
    return done.stdout


def soon(condition, what):
    deadline = time.monotonic() + TIMEOUT_S
    while not (found := condition()):
        assert time.monotonic() < deadline, what
        time.sleep(0.2)
    return found


@pytest.mark.long
def test_a_suite_whatever_befalls_its_jobs(cluster, place, begin):
    long = [patient(label, 2.0 + at / 4) for at, label in enumerate(LONG)]
    short = [entry("ANN", "relu", 1), entry("LIF", "lif", 1), entry("broken", "awkward:Broken", 1)]
    write(place, "six.toml", *short, *long)
    command = ("run", "six.toml", "--trust", "--on", "slurm:lab.toml", "--submit-only")
    done = spikebench(*command, cwd=place, **cluster)
    assert done.returncode == 0, done.stderr
    assert "6 runs: 6 to do" in done.stdout and "follow with: spikebench watch six.toml" in done.stdout
    again = spikebench(*command, cwd=place, **cluster)
    assert again.stdout.count("submitted before, SLURM job ") == 6 and "nothing to submit" in again.stdout
    found = {task.job.label: task for task in tasks(place / "runs" / "six")}
    watching = [begin("watch", "six.toml") for _ in range(2)]

    def states():
        lines = said(cluster, "squeue", "-h", "-t", "all", "-r", "-o", "%i %T").splitlines()
        by_number = dict(line.split() for line in lines)
        return {label: by_number.get(task.number) for label, task in found.items()}

    def has_begun(label):
        task = found[label]
        path = place / task.submission.events(task.job)
        return path.exists() and '"progress"' in path.read_text()

    soon(lambda: all(map(has_begun, LONG)), "the long runs train")
    said(cluster, "scontrol", "requeue", found["requeued"].number)
    limited = ("scontrol", "update", f"jobid={found['near its limit'].number}")
    said(cluster, *limited, "TimeLimit=1")  # which SLURM looks at twice a minute
    soon(lambda: {states()[label] for label in LONG[1:]} == {"PENDING"}, "two are queued again")
    said(cluster, *limited, "TimeLimit=30")
    expected = {"COMPLETED": 2, "FAILED": 1, "PENDING": 2, "RUNNING": 1}
    soon(lambda: Counter(states().values()) == expected, "the short ones end")
    said(cluster, "sbatch", "--partition=high", "--cpus-per-task=3", "--output=/dev/null", "--wrap=true")
    soon(lambda: states()["preempted"] == "PENDING", "it makes room")
    status = spikebench("status", "six.toml", cwd=place, **cluster).stdout
    assert status.count("requeued in SLURM, job ") == 3
    (place / "slowly").unlink()
    watching[0].send_signal(signal.SIGINT)
    stdout, _ = watching[0].communicate(timeout=TIMEOUT_S)
    assert watching[0].returncode == 130 and "go on in SLURM: spikebench watch six.toml" in stdout
    for label in LONG:
        said(cluster, "scontrol", "update", f"jobid={found[label].number}", "StartTime=now")
    stdout, stderr = watching[1].communicate(timeout=TIMEOUT_S)
    assert watching[1].returncode == 1, (stdout, stderr)
    assert "failed: broken seed 0: SLURM job" in stderr and "ValueError: no step is taken" in stderr
    assert "six/near its limit seed 0: saved its checkpoint (SIGUSR1), to be queued again" in stdout
    for label in LONG:
        assert f"job {found[label].number}, queued again 1 time" in stdout
        assert read(place / "runs/six" / found[label].job.spec.key / "log.txt").count(b"begins on cpu") == 2
    soon(lambda: Counter(states().values()) == {"COMPLETED": 5, "FAILED": 1}, "SLURM knows the ends")
    compare_with_a_local_command(place)


def compare_with_a_local_command(place):
    suite, here = load_suite(place / "six.toml"), Store(place / "runs")
    (place / "local").mkdir()
    for name in ("six.toml", "awkward.py"):
        (place / "local" / name).write_bytes((place / name).read_bytes())
    assert spikebench("run", "six.toml", "--trust", cwd=place / "local").returncode == 1
    for run in suite.runs:
        path = here.folder(run).record.relative_to(place)
        if run.label == "broken":
            assert here.state(run) is State.FAILED
        else:
            assert twin(place / path) == twin(place / "local" / path)


@pytest.mark.long
def test_whoever_ends_the_command_ends_its_jobs_and_the_same_command_goes_on(cluster, place, begin):
    folder = write(place, "two.toml", patient("LIF"))
    words = ("run", "two.toml", "--trust", "--on", "slurm")
    command = begin(*words)
    soon(lambda: b"begins on cpu" in read(folder.log), "it trains")
    command.send_signal(signal.SIGINT)
    stdout, stderr = command.communicate(timeout=TIMEOUT_S)
    assert command.returncode == 130, (stdout, stderr)
    assert "interrupted: 0 of 1 run done, 1 saved part of the way; the same command goes on" in stdout
    assert said(cluster, "squeue", "-h", "--name=spikebench-two") == ""
    (place / "slowly").unlink()
    done = spikebench(*words, cwd=place, **cluster)
    assert done.returncode == 0 and folder.record.exists(), done.stderr


@pytest.mark.long
def test_a_job_that_somebody_cancels_stays_cancelled(cluster, place, begin):
    folder = write(place, "one.toml", patient("LIF"))
    command = begin("run", "one.toml", "--trust", "--on", "slurm")
    soon(lambda: b"begins on cpu" in read(folder.log), "it trains")
    said(cluster, "scancel", "--name=spikebench-one")
    stdout, stderr = command.communicate(timeout=TIMEOUT_S)
    assert command.returncode == 1 and "cancelled in SLURM, job" in stderr, (stdout, stderr)
    assert folder.executed_by() is None and folder.checkpoint.exists() and not folder.record.exists()


@pytest.mark.long
def test_what_slurm_refuses_is_one_message(cluster, tmp_path):
    (tmp_path / "one.toml").write_text(small_suite("one", entry("ANN", "relu", 1)))
    (tmp_path / "lab.toml").write_text('partition = "nowhere"\n')
    done = afresh("run", "one.toml", "--on", "slurm:lab.toml", cwd=tmp_path, **cluster)
    assert done.returncode == 2 and "invalid partition specified: nowhere" in done.stderr
    assert "Traceback" not in done.stderr
