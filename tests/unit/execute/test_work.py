"""One job worked on in this process: what is said, and what lies in the run's folder afterwards."""

import json

import pytest
from support.runs import RUN, SUITE, put, small_run

from bench.execute.plan import Settings, Todo
from bench.execute.work import work
from bench.plugins.trust import TRUST_VARIABLE, trusted
from bench.store.checkpoints import read_state
from bench.store.failures import write_failure
from bench.store.store import State
from bench.suite.run_spec import RunMeasure

SMALL = small_run(RunMeasure())


def job_of(store, run=SMALL, **changes):
    job = Todo(SUITE, run, State.MISSING, seen=store.folder(run).seen()).job(store, Settings(device="cpu"))
    return job.model_copy(update=changes)


def worked(job, stop=lambda: False, say=lambda event: None):
    said = []

    def hear(event):
        said.append(event)
        say(event)

    final = work(job, hear, stop, patience_s=0.0)
    assert said[-1] is final and not any(event.final for event in said[:-1])
    return said


def names(folder):
    return {path.name for path in folder.path.iterdir() if path != folder.older_checkpoint}  # on a slow machine


def test_a_run_is_done_and_says_how_far_it_is(store):
    said = worked(job_of(store))
    assert said[-1].kind == "done" and said[0].kind == "progress" and said[0].steps == 7
    assert store.state(SMALL) is State.DONE and names(store.folder(SMALL)) == {"record.json", "checkpoint.pt"}


def test_a_run_that_is_stopped_goes_on_where_it_was(store):
    folder, job = store.folder(SMALL), job_of(store)
    for steps in (1, 2):
        assert worked(job, stop=lambda: True)[-1].kind == "interrupted"
        assert store.state(SMALL) is State.PARTIAL and read_state(folder.checkpoint)["step"] == steps


def test_what_another_has_done_since_the_plan_is_not_done_again(store, capfd):
    job = job_of(store, RUN)
    put(store)
    before = store.folder(RUN).record.read_bytes()
    assert [event.kind for event in worked(job)] == ["done"]
    assert store.folder(RUN).record.read_bytes() == before and "begins" not in capfd.readouterr().err


def test_a_failure_of_another_process_is_taken_over_and_one_before_the_plan_is_not(store):
    job, folder = job_of(store), store.folder(SMALL)
    write_failure(folder, "the loss is nan", "")
    [event] = worked(job)
    assert (event.kind, event.error) == ("failed", "the loss is nan")
    assert worked(job_of(store), stop=lambda: True)[-1].kind == "interrupted"


def test_a_run_taken_up_again_is_no_longer_the_failed_one(store):
    worked(job_of(store), stop=lambda: True)
    write_failure(store.folder(SMALL), "killed by SIGKILL", "")
    assert store.state(SMALL) is State.FAILED
    worked(job_of(store), stop=lambda: True)
    assert store.state(SMALL) is State.PARTIAL


def test_a_run_that_somebody_else_executes_is_busy(store):
    with store.folder(SMALL).lock():
        [event] = worked(job_of(store))
    assert event.kind == "busy" and "is at work here; wait for it" in event.error


def test_a_failure_is_kept_with_its_reason_and_traceback(store):
    run = small_run(RunMeasure())
    optimizer = run.spec.train.optimizer.model_copy(update={"learning_rate": 1e38})
    train = run.spec.train.model_copy(update={"optimizer": optimizer})
    run = type(run)("digits", "LIF", 0, run.spec.model_copy(update={"train": train}), run.measure)
    said = worked(job_of(store, run))
    assert said[-1].kind == "failed" and said[-1].error.startswith("the loss is ")
    kept = json.loads(store.folder(run).failure.read_text())
    assert kept["error"] == said[-1].error and "Traceback" in kept["traceback"]


def broken():
    raise ValueError("something else went wrong")


def test_what_nobody_foresaw_is_kept_too_and_raised(store):
    with pytest.raises(ValueError, match="something else"):
        worked(job_of(store), stop=broken)
    assert store.remark(SMALL) == "ValueError: something else went wrong"
    assert names(store.folder(SMALL)) == {"failure.json"}


def test_whoever_lost_the_lock_writes_neither_checkpoint_nor_record_nor_failure(store):
    folder = store.folder(SMALL)

    def lose(*_):
        folder.lock_file.write_text("{}")  # another process has it

    def left(kind, **how):
        assert worked(job_of(store), **how)[-1].kind == kind
        left_over = names(folder)
        folder.lock_file.unlink(missing_ok=True)
        return left_over

    assert left("busy", stop=lose) == {"lock"}  # while it trained
    assert left("busy", stop=lambda: lose() or broken()) == {"lock"}  # and something else went wrong
    assert left("done") == {"record.json", "checkpoint.pt"}
    folder.record.write_text("damaged")  # trained already: it would only measure, once it has said so
    assert left("busy", say=lose) == {"lock", "checkpoint.pt", "record.json.corrupt-1"}


OUTSIDE = "from bench.neurons.lif import LIF\n\nclass Mine(LIF):\n    '''A LIF from elsewhere.'''\n"


def test_a_worker_trusts_what_its_job_says_and_nothing_else(store, tmp_path, monkeypatch):
    (tmp_path / "labneurons.py").write_text(OUTSIDE)
    monkeypatch.syspath_prepend(tmp_path)
    neuron = SMALL.spec.neuron.model_validate({"name": "labneurons:Mine"})
    run = type(SMALL)("digits", "LIF", 0, SMALL.spec.model_copy(update={"neuron": neuron}), SMALL.measure)
    monkeypatch.setenv(TRUST_VARIABLE, "labneurons")  # of the machine that the job has come to
    refused = worked(job_of(store, run, trust=()))[-1]
    assert refused.kind == "failed" and "would import 'labneurons'" in refused.error
    monkeypatch.delenv(TRUST_VARIABLE)
    assert worked(job_of(store, run, trust=("labneurons",)))[-1].kind == "done"
    assert not trusted("labneurons")
