"""The engine of this machine, with processes that say what the tests want."""

import os
import sys

import pytest
from support import ROOT
from support.command import spikebench
from support.runs import RUN, SUITE

import bench
from bench.errors import ParameterError
from bench.execute.engines.local import Local
from bench.execute.executor import open_engine
from bench.execute.messages import Event
from bench.execute.plan import Settings, Todo
from bench.execute.processes import start_worker, worker_environment
from bench.plugins import registry
from bench.plugins.trust import TRUST_VARIABLE
from bench.store.store import State, Store

# The first says what it takes, and waits for the second to fail beside it.
SHARING = """
tried = os.path.join(os.path.dirname(__file__), "tried")
if job.seed == 0:
    say("progress", memory_bytes=10**9, device_bytes=8 * 10**10)
    while not os.path.exists(tried):
        time.sleep(0.05)
    time.sleep(1.0)
elif not os.path.exists(tried):
    open(tried, "w").close()
    say("failed", error="out of memory: CUDA out of memory")
    sys.exit(1)
say("done")
"""
DONE = Event(kind="done")
TODO = Todo(SUITE, RUN, State.MISSING)
SETTINGS = Settings(device="cpu", jobs=2)
SAY = """
import os, signal, sys, time
from bench.execute.messages import Event, Job
job = Job.model_validate_json(sys.stdin.readline())
signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGTERM])
def say(kind, **fields):
    print(Event(kind=kind, **fields).model_dump_json(), flush=True)
"""


FARM = '''
from bench.execute.messages import Event


class Farm:
    """Refuses every job."""

    slots = 1

    def start(self, job):
        self.key = job.key
        with open("jobs", "a") as jobs:
            print(job.label, file=jobs)

    def hear(self, patience_s):
        return self.key, Event(kind="failed", error="the farm is full")

    def stop(self, grace_s):
        return set()
'''


@pytest.fixture
def started(tmp_path, monkeypatch):
    """Return a function that starts one job in a process of some code, and returns engine and job."""

    def start(code):
        (tmp_path / "worker_of_a_test.py").write_text(SAY + code)
        monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=":")
        engine, job = Local(module="worker_of_a_test", _settings=SETTINGS), TODO.job(Store(tmp_path / "runs"), SETTINGS)
        engine.start(job)
        return engine, job

    return start


def test_it_is_the_engine_that_settings_name_unless_they_say_otherwise():
    engine = open_engine(SETTINGS)
    assert type(engine) is Local and engine.slots == 2 and engine.devices == ["cpu"]
    assert {name: info.cls for name, info in registry.plugins("engine").items()}["local"] == "Local"


def test_an_engine_of_somebody_else_is_chosen_by_name_and_run_with_trust(tmp_path, monkeypatch):
    (tmp_path / "farm.py").write_text(FARM)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ParameterError, match="engine 'farm:Farm' would import 'farm'"):
        bench.run_suite(SUITE, on="farm:Farm")
    command = ("run", ROOT / "suites" / "digits.toml", "--only", "LIF", "--seed", "0", "--on", "farm:Farm")
    done = spikebench(*command, cwd=tmp_path)
    assert done.returncode == 2 and "engine 'farm:Farm' would import 'farm'" in done.stderr
    done = spikebench(*command, "--trust", cwd=tmp_path)
    assert done.returncode == 1 and "the farm is full" in done.stderr
    monkeypatch.setenv(TRUST_VARIABLE, "farm")
    assert bench.run_suite(SUITE, on="farm:Farm") == []
    assert len((tmp_path / "jobs").read_text().splitlines()) == 1 + len(SUITE.runs)
    del sys.modules["farm"]


def test_a_worker_gets_the_job_with_a_device_of_this_machine_and_says_its_last_word_when_it_is_gone(started):
    code = "say('note', error=f'{os.getpid()} {job.device} {job.key}')\nsay('done')\ntime.sleep(0.5)"
    engine, job = started(code)
    key, note = engine.hear(60.0)
    pid, _, words = note.error.partition(" ")
    assert (key, words) == (job.key, f"cpu {job.key}")
    assert engine.hear(60.0) == (job.key, Event(kind="done"))
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid), 0)
    assert engine.hear(0.0) is None


def test_runs_share_a_gpu_once_it_is_known_what_they_take_and_one_without_room_is_tried_alone(tmp_path, monkeypatch):
    (tmp_path / "worker_of_a_test.py").write_text(SAY + SHARING)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=":")
    monkeypatch.setattr("torch.cuda.device_count", lambda: 1)
    settings = Settings(per_gpu=2)
    engine = Local(module="worker_of_a_test", _settings=settings)
    assert engine.slots == 2 and engine.devices == ["cuda:0"]
    runs = [SUITE.select("LIF", seed)[0] for seed in (0, 1)]
    first, second = (Todo(SUITE, run, State.MISSING).job(Store(tmp_path / "runs"), settings) for run in runs)
    engine.start(first)
    engine.start(second)
    heard = []
    while sum(event.final for _, event in heard) < 2:
        heard.append(engine.hear(60.0))
    assert heard[0] == (first.key, Event(kind="progress", memory_bytes=10**9, device_bytes=8 * 10**10))
    no_room = second.key, Event(kind="note", error="does not fit on cuda:0 beside others; tried alone")
    assert heard[1] == no_room and heard[2:] == [(first.key, DONE), (second.key, DONE)]


def test_a_worker_that_prints_what_is_no_text_does_not_hang_the_engine(started):
    """Its reader must come to the end of the line and of the stream."""
    engine, job = started("os.write(1, b'\\xff\\xfe\\n')\nsay('done')\nprint('and a library at its end')")
    assert engine.hear(60.0) == (job.key, Event(kind="done"))


@pytest.mark.parametrize(
    ("code", "error", "printed"),
    [
        ("sys.stderr.write('step 1\\n'); sys.stderr.flush(); os.kill(os.getpid(), 9)", "killed by SIGKILL", "step 1"),
        ("raise ValueError('no such thing')", "ValueError: no such thing", "Traceback"),
        ("sys.exit(3)", "ended with exit code 3 and no message", ""),
    ],
)
def test_a_worker_that_dies_without_a_word_has_failed_with_what_it_printed_last(started, code, error, printed):
    engine, job = started(code)
    key, event = engine.hear(60.0)
    assert (key, event.kind) == (job.key, "failed") and event.error.startswith(error) and printed in event.printed


def test_workers_that_are_asked_to_stop_save_first(started):
    code = "signal.signal(15, lambda *_: (say('interrupted'), sys.exit(75)))\nsay('note')\ntime.sleep(60)"
    engine, job = started(code)
    assert engine.hear(60.0)[1].kind == "note"
    assert engine.stop(grace_s=60.0) == set()
    assert engine.hear(0.0) == (job.key, Event(kind="interrupted"))


def test_a_worker_that_this_process_killed_is_interrupted_and_not_failed(started):
    engine, job = started("signal.signal(15, signal.SIG_IGN)\nsay('note')\ntime.sleep(60)")
    assert engine.hear(60.0)[1].kind == "note"
    assert engine.stop(grace_s=0.2) == {job.key}
    assert engine.hear(0.0) == (job.key, Event(kind="interrupted", error="killed before it could save"))


def test_workers_speak_utf_8_whatever_the_locale(tmp_path):
    with (tmp_path / "log").open("w") as log:
        process = start_worker("json.tool", worker_environment("cpu"), log)
        out, _ = process.communicate('{"a": 1}', timeout=60)
    assert process.stdout.encoding == "utf-8" and '"a": 1' in out
