"""Workers forked from one process: asked to end at every moment, killed, left alone, in an environment of their own."""

import signal
import time
from dataclasses import replace

import pytest
from support import ROOT
from support.runs import SUITE, small_run

from bench.execute.engines.local import Local
from bench.execute.forks import Forks
from bench.execute.messages import Event
from bench.execute.plan import Settings, Todo
from bench.execute.processes import kernel_folder, start_worker, worker_environment
from bench.plugins.trust import trusting_also
from bench.store.store import State
from bench.suite.run_spec import RunMeasure

RUN = small_run(RunMeasure())
FOREVER = RUN.spec.train.model_copy(update={"epochs": 100_000})  # it is asked to end before it could end by itself
LONG = replace(RUN, spec=RUN.spec.model_copy(update={"train": FOREVER}))
INTERRUPTED = 75
LEAVING = """
import atexit
from pathlib import Path
from bench.neurons.lif import LIF

class Leaving(LIF):
    pass

def leave():
    ended = "after its record" if list(Path(__file__).parent.glob("runs/*/*/record.json")) else "too early"
    Path(__file__).with_suffix(".ended").write_text(ended)

atexit.register(leave)
"""


@pytest.fixture(scope="module")
def forks(tmp_path_factory):
    with (tmp_path_factory.mktemp("forks") / "log").open("w") as log:
        yield Forks(worker_environment("cpu"), log)


@pytest.fixture
def begin(forks, store):
    """Return a function that starts a run, forked, or afresh."""

    def started(run=LONG, fresh=False, forks=forks):
        folder = store.folder(run)
        job = (
            Todo(SUITE, run, State.MISSING, seen=folder.seen())
            .job(store, Settings())
            .model_copy(update={"device": "cpu"})
        )
        folder.make()
        with folder.open_log() as log:
            if fresh:
                process = start_worker("bench.execute.worker", forks.environment, log, own_session=True)
            else:
                process = forks.fork(job, log)
        process.stdin.write(job.model_dump_json() + "\n")
        process.stdin.flush()
        return process

    return started


def end(process):
    events = [Event.model_validate_json(line) for line in process.stdout]
    code = process.wait(60.0)
    process.stdin.close()
    process.stdout.close()
    return events, code


def at_once(process, folder):
    pass


def when_it_has_the_lock(process, folder):
    deadline = time.monotonic() + 60.0
    while not folder.lock_file.exists() and time.monotonic() < deadline:
        time.sleep(0.001)


def when_it_trains(process, folder):
    assert Event.model_validate_json(process.stdout.readline()).kind == "progress"


MOMENTS = [at_once, when_it_has_the_lock, when_it_trains]


@pytest.mark.long
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("moment", MOMENTS, ids=lambda moment: moment.__name__)
def test_a_worker_asked_to_end_at_any_moment_has_not_failed_and_goes_on(begin, store, moment, number):
    process, folder = begin(), store.folder(LONG)
    moment(process, folder)
    process.send_signal(number)
    process.send_signal(number)  # who ends a process often asks twice
    events, code = end(process)
    assert (events[-1].kind, code) == ("interrupted", INTERRUPTED)
    assert store.state(LONG) in (State.MISSING, State.PARTIAL) and not folder.failure.exists()
    if number == signal.SIGTERM:
        process = begin()
        when_it_trains(process, folder)
        process.send_signal(number)
        events, code = end(process)
        assert (events[-1].kind, code, store.state(LONG)) == ("interrupted", INTERRUPTED, State.PARTIAL)


@pytest.mark.long
@pytest.mark.parametrize("number", [signal.SIGINT])
def test_a_process_of_its_own_asked_to_end_before_it_listens_has_not_failed(begin, store, number):
    process = begin(fresh=True)
    process.send_signal(number)
    events, code = end(process)
    assert (events[-1].kind, code) == ("interrupted", INTERRUPTED)
    assert store.state(LONG) in (State.MISSING, State.PARTIAL)


def test_a_forked_worker_can_be_killed_and_the_next_one_starts(begin, store):
    process = begin()
    when_it_has_the_lock(process, store.folder(LONG))
    process.kill()
    assert end(process)[1] == -signal.SIGKILL
    assert end(begin(RUN))[0][-1].kind == "done"


def test_what_a_library_leaves_for_the_end_of_a_worker_is_done_then(begin, store, tmp_path, monkeypatch):
    (tmp_path / "leaving.py").write_text(LEAVING)
    monkeypatch.syspath_prepend(tmp_path)
    with trusting_also(["leaving"]), (tmp_path / "log").open("w") as log:
        run = small_run(RunMeasure(), name="leaving:Leaving")
        environment = worker_environment("cpu") | {"PYTHONPATH": f"{tmp_path}:{ROOT}"}
        events, code = end(begin(run, forks=Forks(environment, log)))
    assert (events[-1].kind, code) == ("done", 0)
    assert (tmp_path / "leaving.ended").read_text() == "after its record"


def test_a_worker_that_nobody_listens_to_saves_and_ends(begin, store):
    process = begin()
    process.stdin.close()
    assert process.wait(60.0) == INTERRUPTED
    process.stdout.close()
    assert store.state(LONG) in (State.MISSING, State.PARTIAL)


@pytest.mark.long
def test_a_worker_whose_process_that_forks_is_gone_can_be_asked_to_end(begin, store, tmp_path):
    with (tmp_path / "log").open("w") as log:
        forks = Forks(worker_environment("cpu"), log)
    process = begin(forks=forks)
    when_it_trains(process, store.folder(LONG))
    forks.kill()
    assert process.wait(60.0) is None  # nobody can say its exit code
    process.send_signal(signal.SIGTERM)
    assert end(process)[0][-1].kind == "interrupted" and store.state(LONG) is State.PARTIAL


@pytest.mark.slow
def test_an_engine_whose_process_that_forks_was_killed_starts_workers_afresh(store):
    engine, job = (
        Local(_settings=Settings(device="cpu", jobs=1)),
        Todo(SUITE, RUN, State.MISSING).job(store, Settings()),
    )
    engine.start(job)
    assert engine.stop(0.0) == {job.key}  # still importing, so that it is ended by force
    assert engine.hear(60.0) == (job.key, Event(kind="interrupted", error="killed before it could save"))
    engine.start(job)
    while not (heard := engine.hear(120.0)[1]).final:
        pass
    assert heard.kind == "done"


def test_compiled_kernels_are_kept_in_the_users_cache_or_elsewhere_where_that_cannot_be(tmp_path, monkeypatch):
    monkeypatch.delenv("TORCHINDUCTOR_CACHE_DIR", raising=False)
    for kept, expected in ((tmp_path / "own", tmp_path / "own/spikebench/kernels"), ("/proc/none", None)):
        kernel_folder.cache_clear()
        monkeypatch.setenv("XDG_CACHE_HOME", str(kept))
        monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
        folder = worker_environment("cpu")["TORCHINDUCTOR_CACHE_DIR"]
        assert folder == str(expected) if expected else folder.startswith(str(tmp_path / "spikebench-kernels-"))
    kernel_folder.cache_clear()
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.delenv("HOME", raising=False)
    monkeypatch.setattr("pwd.getpwuid", lambda number: {}[number])  # a number that has no user, as in a container
    assert worker_environment("cpu")["TORCHINDUCTOR_CACHE_DIR"].startswith(str(tmp_path / "spikebench-kernels-"))
    kernel_folder.cache_clear()
    for asked in ("/of/the/user", "/of/the/user/torchinductor_kernels"):
        monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", asked)
        assert worker_environment("cpu")["TORCHINDUCTOR_CACHE_DIR"] == asked
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path / "torchinductor_me"))  # torch writes its default there
    assert worker_environment("cpu")["TORCHINDUCTOR_CACHE_DIR"].startswith(str(tmp_path / "spikebench-kernels-"))
