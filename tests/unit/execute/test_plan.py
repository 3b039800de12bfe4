"""Which runs are to do, and what a job carries of them."""

from support.runs import RUN, SUITE, put

from bench.execute.messages import Job
from bench.execute.plan import Settings, Todo, plan
from bench.plugins.trust import trusting
from bench.store.checkpoints import write_state
from bench.store.store import State, Store


def planned(store, **options):
    selected, todos = plan([SUITE], store, labels=["LIF"], seeds=[0], **options)
    assert len(selected) == 1
    return todos


def test_an_interrupted_force_goes_on_where_it_was(store):
    folder = store.folder(RUN)
    put(store)
    assert planned(store) == []
    [todo] = planned(store, force=True)
    assert todo.afresh
    folder.ask_afresh()  # as the scheduler does before it starts
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


def test_what_is_written_while_the_plan_is_made_is_new_to_the_plan(store, monkeypatch):
    real = Store.state

    def slow(self, run):
        state = real(self, run)
        put(self)  # another command finishes the run just after we looked
        return state

    monkeypatch.setattr(Store, "state", slow)
    [todo] = planned(store)
    assert todo.state is State.MISSING and store.folder(RUN).changed_since(todo.seen)


def test_a_job_is_all_that_another_process_has_to_know(store, tmp_path):
    put(store)
    [todo] = planned(store, force=True)
    with trusting(["mylab.neurons", "mylab.data"]):
        job = todo.job(store, Settings(device="cuda", data=tmp_path, path="fused", profile=True))
    there = Job.model_validate_json(job.model_dump_json())
    assert there == job and there.planned() == RUN and there.planned().key == RUN.key
    assert (there.device, there.path, there.profile, there.offline) == ("cuda", "fused", True, True)
    assert there.trust == ("mylab.neurons", "mylab.data") and there.data == str(tmp_path)
    assert there.folder == str(store.folder(RUN).path) and not store.folder(RUN).changed_since(there.seen)


def test_the_same_run_of_two_suites_is_two_jobs(store):
    other = Todo(SUITE, type(RUN)("another", RUN.label, RUN.seed, RUN.spec, RUN.measure), State.MISSING)
    todo = Todo(SUITE, RUN, State.MISSING)
    assert other.run.key == RUN.key and other.key != todo.key
    assert [one.job(store, Settings()).key for one in (todo, other)] == [todo.key, other.key]
