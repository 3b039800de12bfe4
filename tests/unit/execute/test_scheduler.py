"""What is executed when, and how it ended, with engines that start no process."""

import threading

import pytest
from support.engines import InThisProcess, Scripted
from support.runs import RUN, SUITE, put

from bench.errors import StoreError
from bench.execute.interrupts import Terminated
from bench.execute.messages import Event
from bench.execute.plan import Outcome, Settings, Todo, plan
from bench.execute.scheduler import Scheduler
from bench.records.record import Digests
from bench.store.checkpoints import read_state, write_state
from bench.store.store import State

DONE, BUSY, INTERRUPTED = Event(kind="done"), Event(kind="busy", error="not now"), Event(kind="interrupted")
DIED = Event(kind="failed", error="killed by SIGKILL", printed="the last line")
PROGRESS = Event(kind="progress", step=1)


def planned(store, label="LIF", seed=0, **options):
    return plan([SUITE], store, labels=[label], seeds=[seed], **options)[1]


def execute(store, todos, engine, observe=lambda todo, event: None, **fields):
    scheduler = Scheduler(store, Settings(), engine, observe, elsewhere_every_s=0.01, **fields)
    return scheduler.execute(todos)


def test_the_longest_runs_begin_first_and_no_more_at_once_than_the_engine_takes(store):
    todos = [Todo(SUITE, run, State.MISSING) for run in SUITE.runs]
    engine = Scripted(lambda job: [PROGRESS, DONE], slots=3)
    assert execute(store, todos, engine) == Outcome(done=12)
    steps = [job.spec.timesteps for job in engine.jobs]
    assert steps == sorted(steps, reverse=True) and len(set(steps)) > 1 and engine.most_at_once == 3


def test_a_failed_run_leaves_the_others_and_everything_is_heard(store):
    heard = []
    engine = Scripted(lambda job: [PROGRESS, Event(kind="failed", error="nan") if job.label == "CLIF" else DONE])
    todos = [Todo(SUITE, SUITE.select(label, 0)[0], State.MISSING) for label in ("LIF", "CLIF")]
    outcome = execute(store, todos, engine, lambda todo, event: heard.append((todo.run.label, event.kind)))
    assert outcome == Outcome(done=1, failed=("CLIF seed 0: nan",))
    assert heard == [("LIF", "progress"), ("LIF", "done"), ("CLIF", "progress"), ("CLIF", "failed")]


def test_a_run_that_another_process_takes_is_waited_for(store):
    ends = iter([[BUSY], [BUSY], [BUSY], [BUSY], [BUSY], [DONE]])
    engine = Scripted(lambda job: next(ends))
    assert execute(store, planned(store), engine) == Outcome(done=1) and len(engine.jobs) == 6


def test_a_run_that_another_process_executes_begins_when_that_has_ended(store):
    heard, engine, lock = [], Scripted(lambda job: [DONE]), store.folder(RUN).lock()
    lock.__enter__()

    def observe(todo, event):
        heard.append(event)
        if event.kind == "busy":
            assert not engine.jobs
            lock.__exit__()

    assert execute(store, planned(store), engine, observe) == Outcome(done=1)
    assert [event.kind for event in heard] == ["busy", "done"] and "executes it; waiting for it" in heard[0].error


def test_a_worker_that_is_stopped_from_outside_is_started_again_but_not_for_ever(store):
    ends = iter([[INTERRUPTED], [INTERRUPTED], [DONE]])
    engine = Scripted(lambda job: next(ends))
    assert execute(store, planned(store), engine) == Outcome(done=1)
    engine = Scripted(lambda job: [INTERRUPTED])
    outcome = execute(store, planned(store), engine, most_restarts=2)
    assert outcome == Outcome(failed=("LIF seed 0: interrupted",)) and len(engine.jobs) == 3


@pytest.mark.parametrize(("said", "jobs"), [([PROGRESS, INTERRUPTED], 8), ([INTERRUPTED], 3)])
def test_a_run_is_started_again_however_often_so_long_as_it_goes_on(store, said, jobs):
    """A checkpoint without a step is none that is further on."""

    def script(job):
        write_state_of(store, planned(store)[0])
        return said if len(engine.jobs) < 8 else [DONE]

    engine = Scripted(script)
    outcome = execute(store, planned(store), engine, most_restarts=2)
    assert outcome == (Outcome(done=1) if jobs == 8 else Outcome(failed=("LIF seed 0: interrupted",)))
    assert len(engine.jobs) == jobs


@pytest.mark.parametrize("option", ["force", "stale"])
def test_a_worker_that_is_started_again_goes_on_and_does_not_begin_afresh_twice(store, option):
    """Its checkpoint is what it had computed, also where the plan was to train from the start."""
    folder = store.folder(RUN)
    put(store, digests=Digests(initial_weights="w", sample_order="o", code="older"))
    write_state(folder.checkpoint, {"epoch": 7, "step": 0})
    engine = InThisProcess(steps=3)
    works = engine.script
    engine.script = lambda job: works(job) if len(engine.jobs) < 3 else [Event(kind="failed", error="enough")]
    outcome = execute(store, planned(store, **{option: True}), engine, most_restarts=1)
    assert outcome == Outcome(failed=("LIF seed 0: enough",))
    assert folder.previous_record.exists() and not folder.to_begin_afresh
    state = read_state(folder.checkpoint)
    assert (state["epoch"], state["step"]) == (0, 8)  # twice four, from the start


def test_what_another_has_done_since_it_was_planned_is_not_asked_for_again(store):
    put(store)
    todos = planned(store, force=True)
    put(store, accuracy_fraction=0.75)  # by another command, while this one imported and downloaded
    execute(store, todos, Scripted(lambda job: [DONE]))
    assert not store.folder(RUN).to_begin_afresh and planned(store) == []


@pytest.mark.parametrize("asked", [KeyboardInterrupt, Terminated])
def test_an_interrupt_stops_the_engine_and_takes_in_the_last_words(store, asked):
    """LIF is done at the last moment, CLIF was ended by force and keeps a checkpoint, ANN has not begun."""
    todos = [Todo(SUITE, SUITE.select(label, 0)[0], State.MISSING) for label in ("ANN", "LIF", "CLIF")]
    write_state_of(store, todos[2])
    heard, killed = [], Event(kind="interrupted", error="killed before it could save")
    said = {"LIF": [PROGRESS, asked(), DONE], "CLIF": [killed]}
    engine = Scripted(lambda job: said[job.label], slots=2, killed={todos[2].key})
    outcome = execute(store, todos, engine, lambda todo, event: heard.append(event.kind), stop_grace_s=17.0)
    assert outcome == Outcome(1, (), True, asked is Terminated, saved=1, killed=1)
    assert engine.stopped_after_s == [17.0] and heard == ["progress", "done", "interrupted"]


def write_state_of(store, todo):
    folder = store.folder(todo.run)
    folder.make()
    write_state(folder.checkpoint, {})


def test_where_nothing_can_be_written_the_workers_are_stopped(store):
    class Full(Scripted):
        def start(self, job):
            if self.jobs:
                raise StoreError("no room")
            super().start(job)

    engine = Full(lambda job: [DONE])
    with pytest.raises(StoreError, match="no room"):
        execute(store, [Todo(SUITE, run, State.MISSING) for run in SUITE.runs], engine)
    assert len(engine.stopped_after_s) == 1


def test_a_dead_worker_leaves_its_reason_also_where_it_had_begun_afresh(store):
    put(store)

    def script(job):
        store.folder(RUN).start_afresh()
        return [DIED]

    outcome = execute(store, planned(store, force=True), Scripted(script))
    assert outcome == Outcome(failed=("LIF seed 0: killed by SIGKILL",))
    assert store.state(RUN) is State.FAILED and store.remark(RUN) == "killed by SIGKILL"
    assert "the last line" in store.folder(RUN).failure.read_text()


def test_a_dead_worker_says_nothing_of_a_run_that_another_executes_or_has_done(store):
    folder, todos = store.folder(RUN), planned(store)
    lock = folder.lock()

    def executed(job):
        lock.__enter__()
        return [DIED]

    execute(store, todos, Scripted(executed))
    lock.__exit__()
    assert store.state(RUN) is State.MISSING

    def done(job):
        put(store)
        return [DIED]

    execute(store, todos, Scripted(done))
    assert store.state(RUN) is State.DONE and not folder.failure.exists()


def test_what_a_worker_says_itself_is_its_own_to_keep(store):
    execute(store, planned(store), Scripted(lambda job: [Event(kind="failed", error="made by a newer spikebench")]))
    assert not store.folder(RUN).failure.exists()


def test_two_commands_that_share_a_run_both_see_it_done(store):
    """The second finds it locked, waits, and its worker would then say that it is done."""
    begun, release = threading.Event(), threading.Event()

    def slowly(job):
        with store.folder(RUN).lock():
            begun.set()
            assert release.wait(60)
            put(store)
        return [DONE]

    first, outcomes = Scripted(slowly), []
    todos = planned(store)
    thread = threading.Thread(target=lambda: outcomes.append(execute(store, todos, first)))
    thread.start()
    assert begun.wait(60)
    second = Scripted(lambda job: [DONE] if store.folder(RUN).changed_since(job.seen) else [BUSY])
    outcomes.append(execute(store, todos, second, lambda todo, event: release.set()))
    thread.join()
    assert outcomes == [Outcome(done=1)] * 2
