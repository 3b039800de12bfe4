"""What the pool of workers and the plan do when several commands, lost locks and interrupted --force meet."""

import signal
import subprocess
import sys
import threading

import pytest
from support.runs import RUN, SUITE, put, small_run

from bench.errors import LostError, StoreError
from bench.execute.plan import Settings, Todo, plan
from bench.execute.processes import start_worker
from bench.execute.scheduler import Pool, _Running
from bench.execute.worker import _clear_the_way, _failure_kept, _settled
from bench.records.record import Digests
from bench.runs.run import Place, run_one
from bench.store.checkpoints import Checkpoints, read_state, write_state
from bench.store.failures import write_failure
from bench.store.folder import RunFolder
from bench.store.store import State, Store
from bench.suite.run_spec import RunMeasure


def job_of(todo, store):
    return pool(store)._job(todo, "cpu")


def planned(store, **options):
    selected, todos = plan([SUITE], store, label="LIF", seed=0, **options)
    assert len(selected) == 1
    return todos


def test_a_record_written_while_the_plan_is_made_is_not_made_again(store, monkeypatch):
    real = Store.state

    def slow(self, run):
        state = real(self, run)
        put(self)  # another command finishes the run just after we looked
        return state

    monkeypatch.setattr(Store, "state", slow)
    [todo] = planned(store)
    monkeypatch.undo()
    assert todo.state is State.MISSING
    assert _settled(job_of(todo, store), store.folder(RUN)).kind == "done"


def test_an_interrupted_force_goes_on_where_it_was(store):
    folder = store.folder(RUN)
    put(store)
    assert planned(store) == []
    [todo] = planned(store, force=True)
    assert todo.afresh
    folder.ask_afresh()  # as the pool does before it starts
    for force in (False, True):  # the same command goes on, with or without it
        [todo] = planned(store, force=force)
        assert todo.afresh
    folder.start_afresh()
    write_state(folder.checkpoint, {})
    for force in (False, True):
        [todo] = planned(store, force=force)
        assert todo.state is State.PARTIAL and not todo.afresh
    put(store)
    assert planned(store) == []
    [todo] = planned(store, force=True)
    assert todo.afresh


@pytest.mark.parametrize("option", ["force", "stale"])
def test_a_worker_that_is_started_again_goes_on_and_does_not_begin_afresh_twice(store, option):
    """Its checkpoint is what it had computed, also where the plan was to train from the start."""
    folder = store.folder(RUN)
    put(store, digests=Digests(initial_weights="w", sample_order="o", code="older"))
    [todo] = planned(store, **{option: True})
    some = pool(store)
    some._begin = lambda todo: None
    some.execute([todo])
    for attempt in range(2):
        assert _settled(job_of(todo, store), folder) is None
        _clear_the_way(folder, lambda event: None)
        assert folder.checkpoint.exists() is (attempt > 0) and folder.previous_record.exists()
        write_state(folder.checkpoint, {})


def test_what_another_has_done_since_it_was_planned_is_not_asked_for_again(store):
    put(store)
    [todo] = planned(store, force=True)
    put(store, accuracy_fraction=0.75)  # by another command, while this one imported and downloaded
    some = pool(store)
    some._begin = lambda todo: None
    some.execute([todo])
    assert not store.folder(RUN).to_begin_afresh and planned(store) == []


def test_whoever_lost_the_lock_writes_neither_checkpoint_nor_record_nor_failure(tmp_path, monkeypatch):
    folder, run = RunFolder(tmp_path / "run"), small_run(RunMeasure())

    def work():
        record = run_one(run, Place(Checkpoints(folder.checkpoint, lock.check), tmp_path))
        lock.check()
        folder.write_record(record)

    with folder.lock() as lock:
        work()
        folder.record.unlink()
        folder.lock_file.write_text("{}")  # another process has it
        with pytest.raises(LostError):
            work()  # trained already: it would only measure
        folder.checkpoint.unlink()
        with pytest.raises(LostError), _failure_kept(folder, lock):
            work()
        with pytest.raises(LostError), _failure_kept(folder, lock):
            raise ValueError("something else went wrong")
    assert {path.name for path in folder.path.iterdir()} == {"lock"}


def pool(store, **settings):
    return Pool(store, Settings(**settings), ["cpu"], 1, lambda todo, event: None)


class Ended:
    """A worker that was killed."""

    def __init__(self, todo):
        self.todo, self.last, self.killed = todo, None, False
        self.process = type("Process", (), {"returncode": -signal.SIGKILL})


def test_a_killed_worker_leaves_its_reason_also_where_it_had_begun_afresh(store):
    put(store)
    [todo] = planned(store, force=True)
    folder = store.folder(RUN)
    folder.start_afresh()
    assert pool(store)._died(Ended(todo)).error.startswith("killed by SIGKILL")
    assert store.state(RUN) is State.FAILED and "killed by SIGKILL" in store.remark(RUN)


def test_a_killed_worker_says_nothing_of_a_run_that_another_executes_or_has_done(store):
    [todo] = planned(store)
    folder = store.folder(RUN)
    with folder.lock():
        pool(store)._died(Ended(todo))
        assert store.state(RUN) is State.MISSING
    put(store)
    pool(store)._died(Ended(todo))
    assert store.state(RUN) is State.DONE and not folder.failure.exists()


def test_a_failure_of_another_process_is_taken_over(store):
    [todo] = planned(store)
    folder = store.folder(RUN)
    assert _settled(job_of(todo, store), folder) is None
    write_failure(folder, "the loss is nan", "")
    event = _settled(job_of(todo, store), folder)
    assert (event.kind, event.error) == ("failed", "the loss is nan")


def test_a_worker_that_prints_what_is_no_text_does_not_hang_the_pool(store, tmp_path):
    """Its reader must come to the end of the line and of the stream."""
    code = "import os; os.write(1, b'\\xff\\xfe\\n'); os.write(1, b'{\"kind\": \"done\"}\\n')"
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stdin=subprocess.PIPE, encoding="utf-8", errors="replace"
    )
    running = _Running(Todo(SUITE, RUN, State.MISSING), process, "cpu")
    some = pool(store)
    some._read(running)
    events = [some.events.get_nowait()[1] for _ in range(2)]
    assert events[0].kind == "done" and events[1] is None


def test_workers_speak_utf_8_whatever_the_locale(tmp_path):
    with (tmp_path / "log").open("w") as log:
        process = start_worker("json.tool", "cpu", log)
        out, _ = process.communicate('{"a": 1}', timeout=60)
    assert process.stdout.encoding == "utf-8" and '"a": 1' in out


def test_two_writers_of_one_checkpoint_never_leave_half_of_one(tmp_path):
    """As a process that has lost its lock and the one that has it now would be for a moment."""
    path, errors = tmp_path / "checkpoint.pt", []

    def write(number):
        for epoch in range(60):
            try:
                write_state(path, {"epoch": epoch, "who": number})
            except StoreError as error:  # the other renamed it meanwhile
                errors.append(error)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert read_state(path)["epoch"] >= 0 and not list(tmp_path.glob("*.part"))


def test_a_run_taken_up_again_is_no_longer_the_failed_one(store):
    folder = store.folder(RUN)
    folder.make()
    write_state(folder.checkpoint, {})
    write_failure(folder, "killed by SIGKILL", "")
    assert store.state(RUN) is State.FAILED
    _clear_the_way(folder, lambda event: None)
    assert store.state(RUN) is State.PARTIAL


def test_a_worker_that_this_process_killed_is_interrupted_and_not_failed(store):
    [todo] = planned(store)
    ended = Ended(todo)
    ended.killed = True
    assert pool(store)._died(ended).kind == "interrupted" and store.state(RUN) is State.MISSING


def test_a_second_sigterm_is_not_heard():
    code = (
        "import os, signal; from bench.execute.interrupts import *; terminate_like_interrupt()\n"
        "try:\n os.kill(os.getpid(), signal.SIGTERM)\n"
        "except Terminated:\n os.kill(os.getpid(), signal.SIGTERM); print('once')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "once\n"), done.stderr
