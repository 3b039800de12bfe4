"""One process at a time, and none for ever: who has a lock, who may take it over, and when."""

import errno
import fcntl
import json
import multiprocessing
import os
import time
from dataclasses import asdict, replace

import pytest

from bench.errors import BusyError, LostError, StoreError
from bench.files.lock import Holder, Lock, holder_of, is_stale

SPAWN = multiprocessing.get_context("spawn")
LONG_AGO = 10_000
_ODD = '{{"host": {}, "pid": {}, "started": "", "since": "", "token": ""}}'
ODD = [_ODD.format(1, 1), _ODD.format('"x"', '"x"'), _ODD.format('"x"', 10**30)]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "lock"


def hold(path, ready, release):
    with Lock(path):
        ready.set()
        release.wait(30)


def put(path, **changes):
    path.write_text(json.dumps(asdict(replace(Holder.me(), **changes))))


def aged(path):
    then = time.time() - LONG_AGO
    os.utime(path, (then, then))


def test_one_process_at_a_time_has_a_lock_and_a_dead_one_frees_it(path):
    ready, release = SPAWN.Event(), SPAWN.Event()
    process = SPAWN.Process(target=hold, args=(path, ready, release))
    process.start()
    assert ready.wait(30)
    with pytest.raises(BusyError, match=rf"process {process.pid} on .*, since .*Z is at work here"), Lock(path):
        pass
    holder = holder_of(path)
    assert holder.pid == process.pid and holder.host == Holder.me().host and not is_stale(path, holder)
    process.kill()
    process.join()
    assert is_stale(path, holder)
    with Lock(path):
        assert holder_of(path).pid == os.getpid()
    assert holder_of(path) is None and not path.exists()


def test_waiting_for_a_lock_gets_it_once_it_is_free(path):
    ready, release = SPAWN.Event(), SPAWN.Event()
    process = SPAWN.Process(target=hold, args=(path, ready, release))
    process.start()
    assert ready.wait(30)
    release.set()
    with Lock(path, patience_s=30):
        assert holder_of(path).pid == os.getpid()
    process.join()


def test_a_pid_that_was_given_again_holds_nothing(path):
    put(path, started="1")
    assert is_stale(path, holder_of(path))
    with Lock(path) as lock:
        assert holder_of(path) == lock.me


def test_another_hosts_lock_is_stale_only_when_nobody_touches_it(path):
    put(path, host="elsewhere/1/2")
    with pytest.raises(BusyError, match=f"process {os.getpid()} on elsewhere, since"), Lock(path):
        pass
    aged(path)
    with Lock(path) as lock:
        assert holder_of(path) == lock.me


@pytest.mark.parametrize("text", ["", "{", "[]", '{"host": 1}', "[" * 100_000, '{"a": 1, "b": 2}', *ODD])
def test_a_lock_that_cannot_be_read_is_held_until_it_is_old(path, text):
    path.write_text(text)
    with pytest.raises(BusyError, match="another process"), Lock(path):
        pass
    aged(path)
    with Lock(path):
        pass
    assert not path.exists()


def test_a_heartbeat_keeps_a_lock_young_and_notices_that_it_is_lost(path):
    with Lock(path, heartbeat_s=0.02) as lock:
        aged(path)
        deadline = time.monotonic() + 60
        while time.time() - path.stat().st_mtime > 5 and time.monotonic() < deadline:
            time.sleep(0.01)
        assert time.time() - path.stat().st_mtime < 5 and not lock.lost
        put(path, host="elsewhere/1/2", token="another")
        while not lock.lost and time.monotonic() < deadline:
            time.sleep(0.01)
        assert lock.lost
    assert holder_of(path).token == "another"  # what others hold is left alone


def test_a_folder_that_cannot_be_written_is_one_message(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="cannot be written"), Lock(tmp_path / "file" / "lock"):
        pass


def count_up(path, counter, times, start, host=None):
    if host is not None:  # a machine that sees the files alone: no process numbers, no locks of the kernel
        fcntl.flock = lambda handle, how: None
    start.wait()
    for _ in range(times):
        with Lock(path, patience_s=60, host=host):
            value = int(counter.read_text())
            time.sleep(0.001)
            counter.write_text(str(value + 1))


@pytest.mark.parametrize("hosts", [[None] * 4, ["a", "b", "c", "d"]], ids=["one host", "four hosts"])
@pytest.mark.parametrize("left", ["nothing", "a stale lock", "an unreadable lock"])
def test_many_processes_never_hold_it_together(path, tmp_path, hosts, left):
    if left != "nothing":
        put(path, host="gone/1/2", token="old") if left == "a stale lock" else path.write_text("{")
        aged(path)
    counter, start = tmp_path / "counter", SPAWN.Event()
    counter.write_text("0")
    processes = [SPAWN.Process(target=count_up, args=(path, counter, 10, start, host)) for host in hosts]
    for process in processes:
        process.start()
    start.set()
    for process in processes:
        process.join(60)
    assert counter.read_text() == "40"
    assert [file.name for file in tmp_path.iterdir()] == ["counter"]


def test_a_lock_that_was_lost_is_noticed_before_anything_is_written(path):
    with Lock(path) as lock:
        lock.check()
        put(path, host="elsewhere/1/2", token="another")
        with pytest.raises(LostError, match="was lost to another process"):
            lock.check()
        assert lock.lost


def test_a_lock_that_cannot_be_read_for_a_moment_is_not_lost(path, monkeypatch):
    with Lock(path) as lock:
        monkeypatch.setattr(type(path), "read_text", lambda *arguments: (_ for _ in ()).throw(OSError(5, "I/O")))
        lock.check()
        monkeypatch.undo()
    assert not path.exists()


@pytest.mark.parametrize("missing", ["flock", "link"])
def test_a_file_system_without_locks_or_links_does_too(path, monkeypatch, missing):
    def refuse(*arguments):
        raise OSError(errno.EOPNOTSUPP, "Operation not supported")

    monkeypatch.setattr(*((fcntl, "flock") if missing == "flock" else (os, "link")), refuse)
    with Lock(path):
        with pytest.raises(BusyError), Lock(path):
            pass
        assert holder_of(path).pid == os.getpid()
    assert list(path.parent.iterdir()) == []


def test_a_lock_can_be_read_by_others(path):
    with Lock(path):
        assert path.stat().st_mode & 0o777 == 0o644
