"""Runs on a Ray cluster of this machine: a node dies, the command dies, it is asked to stop; nothing is lost."""

import contextlib
import importlib.util
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from support import ROOT
from support.command import start
from support.processes import listened, processes, wait_until
from support.suites import entry, survivor

from bench.records.record import RunRecord
from bench.store.store import State, Store
from bench.suite.load import load_suite

pytestmark = pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="needs the extra `ray`")

ENTRIES = (entry("ANN", "relu", 1), entry("LIF", "lif", 2), entry("PLIF", "plif", 2), entry("CLIF", "clif", 3))
VARIABLE = "RAY_TMPDIR"  # by which processes are known, too
RUN = ("run", "survivor.toml", "--offline", "--device", "cpu")


@contextlib.contextmanager
def short_folder():
    """A folder of a short path, for the sockets of Ray in it; no process that has it for them outlives it."""
    with tempfile.TemporaryDirectory(prefix="r", dir="/tmp") as folder:
        yield folder
        wait_until(lambda: not processes(VARIABLE, folder), lambda: f"left behind: {processes(VARIABLE, folder)}")


@pytest.fixture(scope="module")
def nodes():
    """A cluster of two nodes with a CPU each, and one without for whoever runs the command."""
    command = [sys.executable, ROOT / "tests" / "support" / "ray_nodes.py"]
    streams = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with short_folder() as folder, open(Path(folder, "nodes.log"), "w") as log:
        environment = {**os.environ, VARIABLE: folder, "PYTHONPATH": str(ROOT)}
        with subprocess.Popen(command, env=environment, stderr=log, **streams) as process:
            yield Nodes(process, folder)
            process.communicate("end\n", timeout=60)


@pytest.fixture
def folder(tmp_path):
    """A folder with the suite."""
    (tmp_path / "survivor.toml").write_text(survivor(*ENTRIES, epochs=5))
    return tmp_path


class Nodes:
    """The near end of `support/ray_nodes.py`."""

    def __init__(self, process, folder):
        self.process, self.address, self.folder = process, process.stdout.readline().strip(), folder
        assert self.address, "the cluster does not start"

    def __call__(self, word):
        self.process.stdin.write(f"{word}\n")
        self.process.stdin.flush()
        assert self.process.stdout.readline() == f"{word}\n"


def results(folder):
    """What must be equal wherever the runs were made: their records without wall clock and provenance."""
    records = map(RunRecord.from_json, (path.read_text() for path in folder.glob("runs/survivor/*/record.json")))
    return {each.label: each.model_copy(update={"wall_clock": {}, "provenance": {}}).to_json() for each in records}


def to_the_end(process):
    stdout, stderr = process.communicate(timeout=240)
    assert process.returncode == 0 and stderr == "", stdout + stderr
    return stdout


def saved(folder):
    """When each run of the folder's suite was saved last, of those that are not done."""
    suite, store = load_suite(folder / "survivor.toml"), Store(folder / "runs")
    partial = [run for run in suite.runs if store.state(run) is State.PARTIAL]
    return {run.label: store.folder(run).saved_ns() for run in partial}


@pytest.mark.long
def test_a_thousand_jobs_end_once_each_and_nothing_is_left_in_the_engine(nodes):
    command = [sys.executable, ROOT / "benchmarks" / "ray_jobs.py", "--jobs", "1000", "--on", f"ray:{nodes.address}"]
    environment = {**os.environ, VARIABLE: nodes.folder, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=240)
    print(done.stdout)
    assert done.stdout.startswith("1000 jobs: 1000 ended once, 0 left in the engine"), done.stdout + done.stderr


@pytest.mark.long
def test_a_node_dies_and_then_the_command_and_the_records_are_those_of_a_local_run(folder, nodes):
    environment, on = {VARIABLE: nodes.folder}, ("--on", f"ray:{nodes.address}")
    log = folder / "command.log"
    with log.open("w") as stream:
        process = start(*RUN, *on, cwd=folder, stdout=stream, **environment)
    try:
        wait_until(lambda: len(saved(folder)) == 2, log.read_text)
        listening = listened(processes(VARIABLE, nodes.folder))
        nodes("kill")
        wait_until(lambda: "its node or process is gone" in log.read_text(), log.read_text)
        [victim] = re.findall(r"survivor/(\w+) seed 0: its node", log.read_text())
        before = saved(folder)[victim]
        wait_until(lambda: log.read_text().count(f"{victim} seed 0: works on") == 2, log.read_text)
        wait_until(lambda: saved(folder).get(victim) != before, log.read_text)
    finally:
        process.kill()
        stderr = process.communicate(timeout=60)[1]
    assert listening == {"127.0.0.1"} and stderr == "" and "state-dump" not in log.read_text()
    said = log.read_text()
    assert re.search(r"works on \S+, process \d+", said) and "seed 0: failed" not in said
    runs = lambda: [words for words in processes(VARIABLE, nodes.folder).values() if "bench.execute" in words]  # noqa: E731
    wait_until(lambda: not runs(), lambda: f"left behind: {runs()}")
    nodes("add")
    said = to_the_end(start(*RUN, *on, cwd=folder, **environment))
    assert re.search(r"4 runs: .*to do.*partial", said)
    expected = results(folder)
    for path in (folder / "runs").rglob("lock*"):
        raise AssertionError(f"left behind: {path}")
    to_the_end(start(*RUN, "--force", cwd=folder))
    assert len(expected) == 4 and results(folder) == expected


@pytest.mark.long
def test_on_ctrl_c_runs_are_saved_and_the_cluster_that_was_started_here_ends(folder):
    (folder / "survivor.toml").write_text(survivor(*ENTRIES, epochs=1000))  # more than any machine makes meanwhile
    with short_folder() as its_own:
        process = start(*RUN, "--on", "ray", "--jobs", "1", cwd=folder, **{VARIABLE: its_own})
        wait_until(lambda: saved(folder), "no run is saved")
        assert listened(processes(VARIABLE, its_own)) == {"127.0.0.1"}
        before = saved(folder)
        process.send_signal(signal.SIGINT)
        stdout, stderr = process.communicate(timeout=120)
        assert process.returncode == 130 and "1 saved part of the way" in stdout and stderr == "", stdout + stderr
        assert "killed" not in stdout and saved(folder).keys() == before.keys() and saved(folder) != before
        [log] = folder.glob("runs/survivor/*/log.txt")
        assert "interrupted" in log.read_text()


@pytest.mark.long
def test_a_cluster_that_ray_start_began_is_joined_whether_it_asks_for_a_token_or_not(folder):
    (folder / "survivor.toml").write_text(survivor(ENTRIES[0], epochs=1))
    (folder / "token").write_text("0123456789abcdef" * 4)
    for token in ({"RAY_AUTH_TOKEN_PATH": str(folder / "token")}, {"RAY_AUTH_MODE": "disabled"}):
        with started_by_hand(token) as (address, its_own):
            environment = {VARIABLE: its_own} | {name: value for name, value in token.items() if name.endswith("PATH")}
            said = to_the_end(start(*RUN, "--force", "--on", f"ray:{address}", cwd=folder, **environment))
            assert "1 of 1" in said
            assert listened(processes(VARIABLE, its_own)) == {"127.0.0.1"}


@contextlib.contextmanager
def started_by_hand(token):
    """A cluster that `ray start` began, as the README says: its address, and the folder of its processes."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    words = ["--head", "--block", "--node-ip-address", "127.0.0.1", "--port", port, "--num-cpus", "1"]
    with short_folder() as its_own, open(Path(its_own, "start.log"), "w+") as log:
        settings = {VARIABLE: its_own, "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0", "PYTHONPATH": str(ROOT)} | token
        environment = {name: value for name, value in os.environ.items() if name != "RAY_AUTH_MODE"} | settings
        command = [sys.executable, "-m", "ray.scripts.scripts", "start", *words]
        with subprocess.Popen(command, env=environment, stdout=log, stderr=log) as process:
            started = lambda: "Ray runtime started" in Path(its_own, "start.log").read_text()  # noqa: E731
            wait_until(started, Path(its_own, "start.log").read_text)
            yield f"127.0.0.1:{port}", its_own
            process.terminate()


PROGRAM = """
import os
from bench.errors import BenchError
from bench.execute import ray_cluster
def say():
    from ray._raylet import get_authentication_mode  # 0 is disabled, 1 token; it reads the environment when imported
    print(os.environ.get("RAY_AUTH_MODE"), get_authentication_mode())
cluster = ray_cluster.Cluster("")
say()
cluster.close()
say()
ray_cluster._alone = lambda: {"address": "local", "num_cpus": -5}
try: ray_cluster.Cluster("")
except BenchError: say()
"""


@pytest.mark.long
def test_a_token_is_shown_to_no_cluster_but_the_one_that_asks_for_it():
    with short_folder() as its_own:
        environment = {name: value for name, value in os.environ.items() if name != "RAY_AUTH_MODE"}
        environment |= {VARIABLE: its_own, "PYTHONPATH": str(ROOT), "RAY_AUTH_TOKEN_PATH": f"{its_own}/token"}
        Path(its_own, "token").write_text("0123456789abcdef" * 4)
        command = [sys.executable, "-c", PROGRAM]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)
    said = ["token 1", "None 0", "None 0"]
    assert (done.stdout.splitlines(), done.returncode) == (said, 0), done.stderr
