"""What the doctor finds wrong, and that cleaning removes what it listed and nothing else."""

import importlib.metadata
import json
import os
import shutil
import time
from dataclasses import asdict, replace

import pytest
from support.command import spikebench
from support.runs import RUN, SUITE, put, record
from typer.testing import CliRunner

from bench.commands.app import app
from bench.errors import BenchError
from bench.files.durable import atomic_write
from bench.files.lock import Holder, Lock
from bench.store.checkpoints import write_state
from bench.store.store import Store
from bench.upkeep.doctor import examine
from bench.upkeep.leftovers import leftovers, remove


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SPIKEBENCH_DATA", raising=False)
    return Store(tmp_path / "runs")


def look(store, **options):
    root = store.root.parent
    return leftovers(store.root, root / "reports", root / "data", **options)


def aged(path, seconds=10_000):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    then = time.time() - seconds
    os.utime(path, (then, then))
    return path


def littered(store):
    """Return a finished run's folder with one leftover of every kind, and what must stay."""
    folder = store.folder(RUN)
    put(store)
    write_state(folder.checkpoint, {})
    write_state(folder.checkpoint, {})
    folder.log.write_text("log")
    aged(folder.path / "record.json.abc.part")
    (folder.path / "record.json.xyz.part").touch()  # young: somebody may be writing it
    (folder.path / "checkpoint.pt.corrupt-1").write_bytes(b"12345")
    folder.previous_record.write_text("{}")
    aged(folder.lock_file)
    aged(store.root.parent / "reports" / "digits" / "figures" / "x.svg.1.part")
    aged(store.root.parent / "data" / "spikebench-frames" / "k.part")
    return folder


def files(root):
    return {str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()}


GONE = {
    "record.json.abc.part": "a write that never ended",
    "checkpoint.pt.corrupt-1": "a damaged file that was set aside",
    "record.previous.json": "a record that a newer one has replaced",
    "lock": "a lock of a process that is gone",
    "x.svg.1.part": "a write that never ended",
    "k.part": "frames that were never finished",
}


def test_only_what_is_listed_is_removed(place):
    folder, root = littered(place), place.root.parent
    before = files(root)
    found = look(place)
    assert {leftover.path.name: leftover.why for leftover in found} == GONE
    assert {leftover.path.name: leftover.size_bytes for leftover in found}["checkpoint.pt.corrupt-1"] == 5
    assert files(root) - before == {"data/spikebench-frames/k.lock"}  # which it asked for
    remove(found)
    gone = before - files(root)
    assert gone == {str(leftover.path.relative_to(root)) for leftover in found}
    assert {"record.json", "checkpoint.pt", "checkpoint.older.pt", "log.txt", "record.json.xyz.part"} == files(
        folder.path
    )
    assert look(place) == []


def test_checkpoints_of_finished_runs_go_only_when_asked(place):
    littered(place)
    names = {leftover.path.name for leftover in look(place, checkpoints=True)}
    assert names == set(GONE) | {"checkpoint.pt", "checkpoint.older.pt"}
    unfinished = place.folder(SUITE.select("CLIF", 1)[0])
    unfinished.make()
    write_state(unfinished.checkpoint, {})
    assert not any(unfinished.path in leftover.path.parents for leftover in look(place, checkpoints=True))


def test_runs_that_no_suite_asks_for_go_only_when_asked_and_only_of_named_suites(place):
    put(place)
    stranger, other = place.root / "digits" / ("0" * 12), place.root / "another" / "abc"
    for folder in (stranger, other):
        atomic_write(folder / "log.txt", "x" * 10)
    assert look(place) == []
    with pytest.raises(BenchError, match="name the suites"):
        look(place, unplanned=True)
    [found] = look(place, suites=[SUITE], unplanned=True)
    assert (found.path, found.size_bytes, found.why) == (stranger, 10, "a run that its suite no longer asks for")
    remove([found])
    assert not stranger.exists() and other.exists() and place.folder(RUN).record.exists()


def test_what_is_being_executed_is_left_alone(place):
    folder = littered(place)
    folder.lock_file.unlink()
    with Lock(folder.lock_file):
        assert {leftover.path.name for leftover in look(place, checkpoints=True)} == {"x.svg.1.part", "k.part"}


def test_what_a_process_has_taken_up_since_it_was_listed_stays(place):
    folder = littered(place)
    found = look(place, checkpoints=True)
    with Lock(folder.lock_file) as lock:  # the stale one, taken over
        removed = remove(found)
        lock.check()
        assert {leftover.path.name for leftover in removed} == {"x.svg.1.part", "k.part"}
    folder.record.unlink()  # begun afresh: its checkpoints are needed again
    write_state(folder.checkpoint, {"epoch": 1})
    remove(found)
    assert folder.checkpoint.exists() and not folder.path.joinpath("checkpoint.pt.corrupt-1").exists()


def test_a_link_in_place_of_a_run_is_removed_and_not_what_it_points_to(place, tmp_path):
    put(place)
    atomic_write(tmp_path / "elsewhere" / "file", "kept")
    stranger = place.root / "digits" / "stranger"
    stranger.symlink_to(tmp_path / "elsewhere")
    remove(look(place, suites=[SUITE], unplanned=True))
    assert not stranger.is_symlink() and {"file"} == files(tmp_path / "elsewhere")


def test_the_verb_lists_first_and_removes_only_when_told(place):
    littered(place)
    shown = CliRunner().invoke(app, ["clean"])
    assert shown.exit_code == 0 and shown.stdout.splitlines()[-1].endswith("nothing removed, --yes removes them")
    assert len(look(place)) == len(GONE) and all(f"{name}  " in shown.stdout for name in GONE)
    done = CliRunner().invoke(app, ["clean", "--yes"])
    assert done.exit_code == 0 and done.stdout.splitlines()[:-1] == shown.stdout.splitlines()[:-1]
    assert look(place) == [] and CliRunner().invoke(app, ["clean"]).stdout == "nothing left over\n"


def findings(store, suites=(SUITE,)):
    root = store.root.parent
    return {
        (finding.what, finding.state): finding.words
        for finding in examine(list(suites), store, root / "reports", root / "data")
    }


def test_a_sound_machine_has_nothing_wrong(place):
    put(place)
    found = findings(place)
    assert {state for _, state in found} == {"ok"}
    assert (
        found["store", "ok"].endswith("suites/digits.toml: 1 done, 11 missing") and "torch 2" in found["versions", "ok"]
    )
    assert found["data", "ok"] == "digits: there"


def test_what_is_wrong_is_named_with_its_cure(place, monkeypatch):
    folder = place.folder(RUN)
    atomic_write(folder.record, record(accuracy_fraction=0.5).to_json().replace("0.5", "0.7"))
    other = place.folder(SUITE.select("LIF", 1)[0])
    other.make()
    other.lock_file.write_text(json.dumps(asdict(replace(Holder.me(), started="1"))))
    third = place.folder(SUITE.select("LIF", 2)[0])
    atomic_write(third.record, '{"schema":99}')
    found = findings(place)
    assert f"{folder.record}: corrupt: " in found["store", "wrong"] or "newer" in found["store", "wrong"]
    assert found["leftovers", "warning"].startswith("1 times a lock of a process that is gone")
    assert found["store", "ok"].endswith("1 corrupt, 10 missing, 1 unreadable")
    done = CliRunner().invoke(app, ["doctor", str(SUITE.path)])
    assert done.exit_code == 1
    lines = done.stdout.splitlines()
    assert any(
        line.startswith("wrong") and "record.json: corrupt" in line and "sets it aside" in line for line in lines
    )
    assert any(line.startswith("wrong") and "was made by a newer spikebench" in line for line in lines)


def test_a_run_that_is_executed_is_told(place):
    folder = place.folder(RUN)
    with folder.lock():
        assert findings(place)["locks", "ok"].startswith(f"{folder.path}: executed by process {os.getpid()} on ")


def test_little_room_and_old_libraries_are_told(place, monkeypatch):
    usage = type("Usage", (), {"free": 10**8})
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    monkeypatch.setattr(importlib.metadata, "requires", lambda name: ["torch>=99", "nosuch>=1", "x; extra == 'y'"])
    found = findings(place)
    assert found["runs", "wrong"].endswith("runs: 0.1 GB free; make room, checkpoints and frames need it")
    assert found["versions", "wrong"] == "nosuch is not installed; install it with: pip install 'nosuch>=1'"


def test_data_that_is_missing_is_a_warning(place):
    text = SUITE.path.read_text().replace('name = "digits"', 'name = "cifar10"')
    (place.root.parent / "other.toml").write_text(text)
    done = CliRunner().invoke(app, ["doctor", "other.toml"])
    assert done.exit_code == 0 and "warning  data       cifar10: cifar10: not found" in done.stdout


def test_a_folder_that_may_not_be_written_is_wrong(place):
    (place.root.parent / "runs").write_text("a file")
    done = spikebench("doctor", SUITE.path, cwd=place.root.parent)
    assert done.returncode == 1 and "wrong    runs" in done.stdout
