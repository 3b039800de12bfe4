"""A disk without room or leave to write: one message, exit code 1, nothing older lost, and on it goes with room."""

import contextlib
import os
import subprocess
import time

import pytest
from support.command import spikebench, start
from support.runs import contents, twin
from support.suites import survivor

from bench.store.checkpoints import read_state
from bench.store.store import State, Store
from bench.suite.load import load_suite

PAGE = 4096


@pytest.fixture
def disk(tmp_path):
    """Mount a disk of one megabyte with the suite on it."""
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", tmp_path], capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"needs leave to mount a small disk: {done.stderr.strip()}")
    try:
        (tmp_path / "survivor.toml").write_text(survivor())
        yield tmp_path
    finally:
        subprocess.run(["umount", "--lazy", tmp_path], check=True)


def fill(disk, pages_left):
    """Fill the disk up to some pages."""
    with (disk / "filler").open("ab", buffering=0) as handle, contextlib.suppress(OSError):
        while True:
            handle.write(b"\0" * PAGE)
    os.truncate(disk / "filler", (disk / "filler").stat().st_size // PAGE * PAGE - pages_left * PAGE)


def folder_of(disk):
    [run] = load_suite(disk / "survivor.toml").runs
    store = Store(disk / "runs")
    return store.folder(run), lambda: store.state(run)


@pytest.mark.long
def test_a_disk_that_fills_up(disk, tmp_path_factory):
    whole = tmp_path_factory.mktemp("whole")
    (whole / "survivor.toml").write_text((disk / "survivor.toml").read_text())
    assert spikebench("run", "survivor.toml", cwd=whole)[0] == 0
    [expected] = whole.glob("runs/survivor/*/record.json")
    folder, state = folder_of(disk)

    process = start("run", "survivor.toml", cwd=disk)  # while it trains
    deadline = time.monotonic() + 120
    while not folder.older_checkpoint.exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    fill(disk, 0)
    stdout, stderr = process.communicate(timeout=120)
    assert process.returncode == 1 and "Traceback" not in stderr, stdout
    assert "checkpoint.pt: cannot be written: No space left on device; the older checkpoint is kept" in stderr
    assert read_state(folder.checkpoint)["epoch"] >= 1 and not list(folder.path.glob("*.part"))
    code, stdout, _ = spikebench("status", "survivor.toml", cwd=disk)
    assert code == 0 and state() in (State.PARTIAL, State.FAILED) and str(state()) in stdout.splitlines()[0]

    code, _, stderr = spikebench("run", "survivor.toml", cwd=disk)  # and once more, full from the start
    assert code == 1 and "No space left on device" in stderr

    (disk / "filler").unlink()
    assert spikebench("run", "survivor.toml", cwd=disk)[0] == 0
    assert twin(folder.record) == twin(expected) and state() is State.DONE
    assert spikebench("report", "survivor.toml", cwd=disk)[0] == 0

    before, report = contents(folder.path, but=["log.txt"]), contents(disk / "reports")  # while it writes the record
    with_measure = survivor(measure={"samples": 300})
    fill(disk, 2)
    (disk / "survivor.toml").write_text(with_measure)
    code, _, stderr = spikebench("run", "survivor.toml", cwd=disk)
    assert code == 1 and "record.json: cannot be written: No space left on device" in stderr
    assert contents(folder.path, but=["log.txt", "failure.json"]) == before

    code, _, stderr = spikebench("report", "survivor.toml", "--table", "horowitz-fp16", cwd=disk)  # and the report
    assert code == 1 and "cannot be written: No space left on device" in stderr
    assert contents(disk / "reports") == report

    (disk / "filler").unlink()
    assert spikebench("run", "survivor.toml", cwd=disk)[0] == 0
    _, state = folder_of(disk)  # of the suite as it is now
    assert state() is State.DONE and spikebench("report", "survivor.toml", cwd=disk)[0] == 0
    assert contents(disk / "reports") != report


def test_a_disk_that_may_only_be_read(disk):
    assert spikebench("run", "survivor.toml", cwd=disk)[0] == 0
    assert spikebench("report", "survivor.toml", cwd=disk)[0] == 0
    _, state = folder_of(disk)
    subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
    assert spikebench("status", "survivor.toml", cwd=disk)[1].splitlines()[0] == "survivor.toml: 1 done"
    assert spikebench("report", "survivor.toml", "--check", cwd=disk)[0] == 0
    for verb in (("run", "survivor.toml", "--force"), ("report", "survivor.toml")):
        code, _, stderr = spikebench(*verb, cwd=disk)
        assert code == 1 and "Read-only file system" in stderr
    assert state() is State.DONE


@pytest.mark.parametrize("words", [("status", "survivor.toml"), ("run", "survivor.toml"), ("--help",)])
def test_output_that_cannot_be_written_is_said_once_and_stops_the_workers(words, tmp_path):
    (tmp_path / "survivor.toml").write_text(survivor())
    with open("/dev/full", "w") as full:
        process = start(*words, cwd=tmp_path, stdout=full)
        _, said = process.communicate(timeout=300)
    assert process.returncode == 1
    assert said == "spikebench: what it says cannot be written: No space left on device\n"
    for run in load_suite(tmp_path / "survivor.toml").runs:
        assert Store(tmp_path / "runs").folder(run).executed_by() is None
