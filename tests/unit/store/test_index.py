"""The index beside the runs changes nothing but time: a store with it says what one without it says."""

import json
import os
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support import ROOT
from support.runs import RUN, SUITE, put, record

from bench.errors import BenchError
from bench.execute.plan import plan
from bench.records.record import Digests
from bench.store import index
from bench.store.checkpoints import write_state
from bench.store.failures import write_failure
from bench.store.store import State, Store

RUNS = SUITE.select("LIF") + SUITE.select("CLIF")
ODD = {"history": [{"epoch": 0, "learning_rate": 0.1, "train_loss": 99.0, "train_accuracy_fraction": 0.0,
                    "test_accuracy_fraction": 0.1}]}  # fmt: skip


@pytest.fixture(autouse=True)
def settled_at_once(monkeypatch):
    """Files of this test are old enough to be known again as soon as they are written."""
    monkeypatch.setattr(index, "SETTLED_S", -60.0)


def said(store):
    """What is said of every run, with the index and without it; both are the same."""
    without = [(run, store.state(run), store.remark(run), store.is_trained(run)) for run in SUITE.runs]
    with store.looking():
        assert [(run, store.state(run), store.remark(run), store.is_trained(run)) for run in SUITE.runs] == without
    assert store.survey(SUITE, store.root / "none") == [told[:3] for told in without]
    assert [todo.state for todo in plan([SUITE], store)[0]] == [told[1] for told in without]
    return without


def read_now(store, monkeypatch):
    """Which records are read in a walk through the store."""
    read, real = [], index.RunFolder.check
    with monkeypatch.context() as patch:
        patch.setattr(index.RunFolder, "check", lambda folder: read.append(folder.path.name) or real(folder))
        store.survey(SUITE, store.root / "none")
    return [key for key in read if (store.root / SUITE.name / key / "record.json").exists()]


def test_a_record_is_read_once_until_it_changes(store, monkeypatch):
    put(store)
    put(store, RUNS[1], **ODD)
    store.folder(RUNS[2]).make()
    store.folder(RUNS[2]).record.write_text("{}")
    assert sorted(read_now(store, monkeypatch)) == sorted(run.key for run in RUNS[:3])
    assert read_now(store, monkeypatch) == []
    assert {State.DONE, State.CORRUPT} <= {state for _, state, _, _ in said(store)}
    put(store, accuracy_fraction=0.25)
    assert read_now(store, monkeypatch) == [RUN.key]


def test_a_record_of_the_same_size_and_time_is_another(store):
    put(store)
    said(store)
    path = store.folder(RUN).record
    before, text = path.stat(), path.read_text("utf-8")
    path.write_text(text.replace('"accuracy_fraction":0.5', '"accuracy_fraction":0.6'), "utf-8")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert path.stat().st_size == before.st_size and path.stat().st_mtime_ns == before.st_mtime_ns
    assert next(told[1] for told in said(store) if told[0] == RUN) is State.CORRUPT


def test_a_file_that_was_just_written_is_not_taken_for_settled(store, monkeypatch):
    monkeypatch.undo()
    put(store)
    assert read_now(store, monkeypatch) == read_now(store, monkeypatch) == [RUN.key]


def _other_version(path):
    """The file stays as it is: the code is another."""


def _other_table(path):
    path.unlink()
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE facts (words TEXT)")
    connection.close()


def _other_words(path):
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE facts SET facts = replace(facts, '\"done\"', '\"failed\"')")
        connection.execute("UPDATE facts SET facts = replace(facts, '-', '+')")
    connection.close()


def _a_folder(path):
    path.unlink()
    path.mkdir()


DAMAGES = {
    "gone": lambda path: path.unlink(),
    "empty": lambda path: path.write_bytes(b""),
    "no database": lambda path: path.write_bytes(b"nothing" * 1000),
    "cut short": lambda path: path.write_bytes(path.read_bytes()[: path.stat().st_size // 2]),
    "zeros inside": lambda path: path.write_bytes(path.read_bytes()[:4096] + bytes(path.stat().st_size - 4096)),
    "of another version": _other_version,
    "another table": _other_table,
    "other words": _other_words,
    "a folder": _a_folder,
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_an_index_that_cannot_be_used_changes_nothing(store, damage, monkeypatch):
    put(store)
    put(store, RUNS[1], **ODD)
    store.folder(RUNS[2]).make()
    store.folder(RUNS[2]).record.write_text("{}")
    before = said(store)
    damage(store.root / index.NAME)
    if damage is _other_version:
        monkeypatch.setattr(index, "version", lambda: "another")
    assert read_now(store, monkeypatch) != []
    assert said(store) == before
    read_now(store, monkeypatch)  # by now it is made anew, where a file can be
    assert read_now(store, monkeypatch) == [] or damage is _a_folder


def test_any_byte_of_it_may_be_another(store):
    put(store)
    put(store, RUNS[1], **ODD)
    before, path = said(store), store.root / index.NAME
    whole = path.read_bytes()
    for at in range(0, len(whole), 61):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 0x15]) + whole[at + 1 :])
        assert [told[1:] for told in store.survey(SUITE, store.root / "none")] == [told[1:3] for told in before]


def test_what_lies_behind_a_link_is_left_alone(store, tmp_path):
    put(store)
    other = tmp_path / "other.sqlite"
    other.write_bytes(b"of somebody else")
    (store.root / index.NAME).symlink_to(other)
    said(store)
    assert other.read_bytes() == b"of somebody else"


def test_without_leave_to_write_it_is_not_made(store, monkeypatch):
    put(store)
    real = os.access
    monkeypatch.setattr(os, "access", lambda path, mode: mode != os.W_OK and real(path, mode))
    said(store)
    assert not (store.root / index.NAME).exists()


def test_a_record_without_leave_to_read_it_is_unreadable_though_others_read_it(store, monkeypatch):
    put(store)
    said(store)
    with monkeypatch.context() as patch:
        patch.setattr(os, "access", lambda path, mode: False)
        patch.setattr(Path, "read_text", _refused)
        with store.looking():
            assert store.state(RUN) is State.UNREADABLE
    assert next(told[1] for told in said(store) if told[0] == RUN) is State.DONE


def _refused(*_, **__):
    raise PermissionError(13, "Permission denied")


def test_nothing_is_written_where_there_is_no_folder_of_runs(store):
    assert {told[1] for told in said(store)} == {State.MISSING}
    assert not store.root.exists()


def test_several_processes_fill_it_at_once(store):
    for run in SUITE.runs:
        put(store, run)
    code = (
        "import sys; from pathlib import Path; from bench.store import index; index.SETTLED_S = -60.0\n"
        "index.MOST_PENDING = 2\n"
        "from bench.store.store import Store; from bench.suite.load import load_suite\n"
        "suite, store = load_suite(sys.argv[1]), Store(Path(sys.argv[2]))\n"
        "for _ in range(10): states = {state for _, state, _ in store.survey(suite, Path('none'))}\n"
        "print(*states)"
    )
    command = [sys.executable, "-c", code, str(SUITE.path), str(store.root)]
    started = [
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT) for _ in range(3)
    ]
    for _ in range(20):
        (store.root / index.NAME).unlink(missing_ok=True)
        said(store)
    assert [process.communicate() for process in started] == [("done\n", "")] * 3
    assert {told[1] for told in said(store)} == {State.DONE}


OLDER = Digests(initial_weights="w", sample_order="o", code="older", training="older")
CHANGES = ({}, {"accuracy_fraction": 0.75}, {"digests": OLDER}, {"measure_key": "another"}, ODD)
STEPS = st.one_of(
    st.tuples(st.just("put"), st.integers(0, 3), st.integers(0, len(CHANGES) - 1)),
    st.tuples(st.sampled_from(["flip", "cut"]), st.integers(0, 3), st.integers(0, 2000)),
    st.tuples(
        st.sampled_from(["delete", "clear", "checkpoint", "failure", "afresh", "swap", "index gone", "index cut"]),
        st.integers(0, 3),
        st.just(0),
    ),
)


@pytest.fixture(scope="module")
def lines():
    """The records that may be put, by run and change: to make them takes the time of these examples."""
    return [[record(run, **changes).to_json() + "\n" for changes in CHANGES] for run in RUNS[:4]]


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(STEPS, min_size=1, max_size=12))
def test_whatever_happens_to_the_files_both_say_the_same(steps, tmp_path, lines):
    root = tmp_path / "runs"
    shutil.rmtree(root, ignore_errors=True)
    store = Store(root)
    for moment, step in enumerate(steps):
        happen(store, step, lines)
        for file in root.rglob("record.json"):  # each write at a time of its own, as the rule of settled files has it
            if file.stat().st_mtime_ns > 10**15:
                os.utime(file, ns=(moment + 1, moment + 1))
        asked = RUNS[:4]
        without = [(store.state(run), store.remark(run), store.is_trained(run)) for run in asked]
        with store.looking():
            assert [(store.state(run), store.remark(run), store.is_trained(run)) for run in asked] == without


def happen(store, step, lines):
    """Do to the files of a store what `step` says."""
    what, at, value = step
    folder, other = store.folder(RUNS[at]), store.folder(RUNS[(at + 1) % 4])
    folder.make()
    path = folder.record
    if what == "put":
        path.write_text(lines[at][value], "utf-8")  # in place: the inode stays
    elif what in ("flip", "cut") and path.is_file() and path.stat().st_size:
        content = path.read_bytes()
        place = value % len(content)
        changed = bytes([content[place] ^ 1]) + content[place + 1 :] if what == "flip" else b""
        path.write_bytes(content[:place] + changed)
    elif what == "delete":
        path.unlink(missing_ok=True)
    elif what == "clear":
        shutil.rmtree(folder.path)
    elif what == "checkpoint":
        write_state(folder.checkpoint, {})
    elif what == "failure":
        write_failure(folder, "it broke", "Traceback ...")
    elif what == "afresh":
        folder.ask_afresh()
    elif what == "swap" and path.is_file():
        other.make()
        os.replace(path, other.record)
    elif what.startswith("index") and (store.root / index.NAME).exists():
        content = (store.root / index.NAME).read_bytes()
        (store.root / index.NAME).write_bytes(content[: len(content) // 3] if what == "index cut" else b"")


def test_facts_are_those_of_the_record(store):
    put(store, RUNS[1], **ODD)
    found = index.Facts.of(store.folder(RUNS[1]).check())
    again = index.Facts.from_text(found.to_text())
    assert again == found and again.oddities() == found.oddities() != "" and json.loads(found.to_text())
    with pytest.raises(BenchError):
        store.folder(RUNS[1]).record.write_text("{", "utf-8")
        index.Index(store.root).facts(store.folder(RUNS[1]))
