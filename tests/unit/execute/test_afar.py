"""A run that works in one folder while its own lies in another: what travels, and what is refused."""

import os
import socket
import time
from dataclasses import replace

import pytest
from support.runs import RUN, SUITE, put, record, small_run, twin

from bench.errors import BusyError, CorruptError, LostError
from bench.execute import station
from bench.execute.afar import HeldRun, Parcel
from bench.execute.messages import Event
from bench.execute.plan import Settings, Todo
from bench.execute.work import work
from bench.store.checkpoints import read_state, write_state
from bench.store.store import State, Store
from bench.suite.run_spec import RunMeasure


def job_of(store, run=RUN):
    return Todo(SUITE, run, State.MISSING).job(store, Settings(device="cpu"))


@pytest.fixture
def held(store):
    """The folder of a run, held."""
    run = HeldRun(job_of(store))
    yield run
    run.free()


def checkpoint(tmp_path, **state):
    """The content of a checkpoint of this state."""
    write_state(tmp_path / "made.pt", state)
    return (tmp_path / "made.pt").read_bytes()


@pytest.fixture
def here(monkeypatch):
    """Let the station change what it changes on a node, and take it back."""
    monkeypatch.chdir(os.getcwd())
    monkeypatch.setenv("PYTHONPATH", os.environ.get("PYTHONPATH", ""))
    monkeypatch.setattr("sys.path", ["", *os.sys.path])
    yield
    station.engine_on.cache_clear()


def test_what_a_parcel_holds_is_written_and_the_checkpoint_before_is_kept(held, tmp_path):
    for epoch in (1, 2):
        parcel = Parcel((), f"epoch {epoch}\n".encode(), {"checkpoint.pt": checkpoint(tmp_path, epoch=epoch)})
        assert held.take(parcel) == []
    folder = held.folder
    assert read_state(folder.checkpoint) == {"epoch": 2} and read_state(folder.older_checkpoint) == {"epoch": 1}
    assert folder.log.read_text() == "epoch 1\nepoch 2\n"
    done = Event(kind="done")
    files = {"record.json": (record().to_json() + "\n").encode(), "profile.txt": b"a table"}
    assert held.take(Parcel((done.model_dump_json(),), files=files)) == [done]
    assert folder.record.read_bytes() == files["record.json"] and folder.profile.read_text() == "a table"


def test_what_was_cut_short_on_its_way_takes_no_place(held, tmp_path):
    held.take(Parcel(files={"checkpoint.pt": checkpoint(tmp_path, epoch=1)}))
    with pytest.raises(CorruptError, match="checksum"):
        held.take(Parcel(files={"checkpoint.pt": checkpoint(tmp_path, epoch=2)[:-1]}))
    with pytest.raises(CorruptError, match="of another run"):
        held.take(Parcel(files={"record.json": record(SUITE.select("CLIF", 0)[0]).to_json().encode()}))
    with pytest.raises(CorruptError, match="came so from its node"):
        held.take(Parcel(files={"record.json": b"{}"}))
    assert read_state(held.folder.checkpoint) == {"epoch": 1} and not held.folder.record.exists()


def test_the_newest_sound_checkpoint_travels_and_a_damaged_one_is_set_aside(held):
    for epoch in (1, 2):
        write_state(held.folder.checkpoint, {"epoch": epoch})
    older = held.folder.older_checkpoint.read_bytes()
    held.folder.checkpoint.write_bytes(older[:-7])
    assert held.order("cpu", offline=True).checkpoint == older
    [note] = held.notes
    assert "cut short or changed" in note and "kept as checkpoint.pt.corrupt-1" in note


def test_a_run_is_held_by_one_alone_and_taken_from_whoever_has_lost_it(held, store):
    with pytest.raises(BusyError):
        HeldRun(job_of(store))
    held.folder.lock_file.unlink()
    with pytest.raises(LostError):
        held.take(Parcel(log=b"too late"))


def test_a_run_that_somebody_has_done_since_it_was_planned_is_not_sent(held, store):
    put(store)
    assert held.order("cpu", offline=True) == Event(kind="done")


def test_a_node_of_other_code_is_refused_by_name(held, here):
    order = held.order("cpu", offline=True)
    changed = replace(order, code="0" * 12)
    note, end = (held.take(parcel)[0] for parcel in station.execute(changed, lambda: None))
    assert note.error.startswith(f"works on {socket.gethostname()}, process")
    assert end.kind == "failed" and f"{socket.gethostname()}: has other code for LIF" in end.error
    assert order.code in end.error and "0" * 12 in end.error


def test_a_run_elsewhere_is_stopped_goes_on_and_leaves_the_record_that_it_would_have_left_here(store, tmp_path, here):
    run = small_run(RunMeasure())
    local = Store(tmp_path / "local")
    assert work(job_of(local, run), lambda event: None, lambda: False).kind == "done"
    ends = []
    for stops in (True, False):
        held = HeldRun(job_of(store, run))
        order = held.order("cpu", offline=True)
        assert (order.checkpoint is None) is stops
        parcels = station.execute(order, lambda stops=stops: 60.0 if stops else None)
        ends.append([event for parcel in parcels for event in held.take(parcel)][-1].kind)
        held.free()
        if stops and not held.folder.checkpoint.exists():  # it was asked before its first step
            write_state(held.folder.checkpoint, {})
    assert ends[-1] == "done" and ends[0] in ("interrupted", "done")
    assert twin(store.folder(run).record) == twin(local.folder(run).record)
    assert "begins on cpu" in store.folder(run).log.read_text()
    assert not list(tmp_path.glob(f"{station.SCRATCH}*"))


def test_of_the_progress_within_a_moment_the_newest_is_sent_alone():
    said = [Event(kind="progress", step=1), Event(kind="progress", step=2), Event(kind="note"), Event(kind="progress")]

    class Engine:
        def hear(self, patience_s):
            return ("key", said.pop(0)) if said else time.sleep(patience_s)

    assert [(event.kind, event.step) for event in station.heard_from(Engine())] == [
        ("progress", 2),
        ("note", 0),
        ("progress", 0),
    ]


def test_folders_of_processes_that_were_killed_are_removed(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    for pid in (os.getpid(), 2**22 + 1):
        (tmp_path / f"{station.SCRATCH}{pid}-x" / "runs").mkdir(parents=True)
    station.sweep()
    assert [path.name for path in tmp_path.iterdir()] == [f"{station.SCRATCH}{os.getpid()}-x"]
