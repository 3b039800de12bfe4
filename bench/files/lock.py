"""One process at a time, on one host or several: a lock file that says who has it, and is kept alive by a heartbeat.

A lock is stale, and is taken over, when its process is known to be gone (same host, and no such process any more), or
when nobody has touched it for STALE_S (another host, as far as the shared file system shows). No torch.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import socket
import tempfile
import threading
import time
import uuid
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from bench.errors import BusyError, LostError, StoreError

HEARTBEAT_S = 10.0
STALE_S = 120.0
_RETRY_S = 0.2
_NO_FLOCK = {errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOTSUP}
_NO_LINKS = {errno.EPERM, errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP, errno.EMLINK}


@dataclass(frozen=True)
class Holder:
    """Who has a lock."""

    host: str
    pid: int
    started: str  # of the process, as the system counts it: a pid is given again
    since: str  # UTC
    token: str  # of this lock alone

    @classmethod
    def me(cls, host: str | None = None) -> Holder:
        """Return this process, on this host or one of another name, with a token of its own."""
        now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        return cls(host or this_host(), os.getpid(), _started(os.getpid()) or "", now, uuid.uuid4().hex)

    @classmethod
    def unknown(cls) -> Holder:
        """Return somebody whose lock cannot be read."""
        return cls("", 0, "", "", "")

    @property
    def words(self) -> str:
        """Who it is, for people."""
        if not self.pid:
            return "another process"
        return f"process {self.pid} on {self.host.partition('/')[0]}, since {self.since}"


def this_host() -> str:
    """Name this host, its boot and its process numbers: containers may share the name and not the numbers."""
    parts = [socket.gethostname()]
    with contextlib.suppress(OSError):
        parts.append(Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()[:8])
    with contextlib.suppress(OSError):
        parts.append(str(os.stat("/proc/self/ns/pid").st_ino))
    return "/".join(parts)


def _started(pid: int) -> str | None:
    """Return when a process of this host started, "" where the system does not say, None where there is none."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text("ascii", errors="replace").rpartition(")")[2].split()
        return None if state[0] in "ZX" else state[19]  # a zombie runs no more
    except FileNotFoundError:
        pass
    except (OSError, IndexError):
        return ""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return None
    except OSError:
        return ""
    return ""


def holder_of(path: Path) -> Holder | None:
    """Return who has the lock at `path`, stale or not; None where nobody has, or the file is not a lock."""
    try:
        holder = Holder(**json.loads(path.read_text("utf-8")))
        texts = (holder.host, holder.started, holder.since, holder.token)
        sound = type(holder.pid) is int and 0 < holder.pid < 2**31 and all(isinstance(text, str) for text in texts)
        return holder if sound else None
    except (OSError, ValueError, TypeError, RecursionError):
        return None


def is_stale(path: Path, holder: Holder | None, host: str | None = None) -> bool:
    """Whether the lock at `path`, which `holder` has (None: an unreadable one), is left over, as seen from a host."""
    if holder is not None and holder.host == (host or this_host()):
        started = _started(holder.pid)
        return started is None or bool(started and holder.started and started != holder.started)
    try:
        return now_there(path.parent) - path.stat().st_mtime > STALE_S
    except OSError:
        return False  # gone meanwhile, or not to be judged


def now_there(folder: Path) -> float:
    """Return the time by the clock of the file system: that of another host may be wrong."""
    with tempfile.TemporaryFile(dir=folder) as handle:
        handle.write(b".")
        handle.flush()
        return os.fstat(handle.fileno()).st_mtime


class Lock:
    """The lock at `path`, held inside the `with` block; `lost` tells whether somebody took it over meanwhile.

    Waits at most `patience_s` seconds; touches the file every `heartbeat_s`, in the name of `host` (this one unless
    said). Raises BusyError when another process has it, StoreError when the folder cannot be written.
    """

    def __init__(
        self, path: Path, patience_s: float = 0.0, *, heartbeat_s: float = HEARTBEAT_S, host: str | None = None
    ) -> None:
        self.path, self.patience_s, self.heartbeat_s, self.host = path, patience_s, heartbeat_s, host
        self.me: Holder | None = None
        self.lost = False
        self._done = threading.Event()
        self._heart: threading.Thread | None = None

    def __enter__(self) -> Lock:
        deadline = time.monotonic() + self.patience_s
        while True:
            other = self._take()
            if other is None:
                break
            if time.monotonic() >= deadline:
                raise BusyError(f"{self.path.parent}: {other} is at work here; wait for it")
            time.sleep(_RETRY_S)
        self._done.clear()
        self._heart = threading.Thread(target=self._beat, daemon=True)
        self._heart.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._done.set()
        if self._heart is not None:
            self._heart.join()
        with contextlib.suppress(OSError):
            try:
                with self._guard():
                    self._free()
            except OSError:  # no room for the guard
                self._free()

    def _free(self) -> None:
        if self.me is not None and holder_of(self.path) == self.me:
            self.path.unlink()

    def check(self) -> None:
        """Raise LostError where somebody has taken the lock over: what it protects is theirs now."""
        if self.lost or not self._is_mine():
            self.lost = True
            raise LostError(f"{self.path.parent}: the lock was lost to another process while this one slept")

    def _is_mine(self) -> bool:
        """Whether the lock is still this one, as far as can be seen: a file that cannot be read now may be later."""
        try:
            text = self.path.read_text("utf-8")
        except FileNotFoundError:
            return False
        except OSError:
            return True
        return self.me is not None and self.me.token in text

    def _take(self) -> str | None:
        """Take the lock and return None, or say who has it."""
        try:
            with self._guard():
                holder = holder_of(self.path)
                if os.path.lexists(self.path):
                    if not is_stale(self.path, holder, self.host):
                        return (holder or Holder.unknown()).words
                    self._bury(holder)
                self.me = Holder.me(self.host)
                self._write(self.me)
                return None
        except (FileExistsError, FileNotFoundError):  # another host was faster, and its guard may not be ours
            if not self.path.parent.is_dir():
                raise StoreError(f"{self.path.parent}: is gone") from None
            return Holder.unknown().words
        except OSError as error:
            raise StoreError(f"{self.path.parent}: cannot be written: {error.strerror}") from None

    def _bury(self, holder: Holder | None) -> None:
        """Remove the stale lock that `holder` had. Of several who want to one gets its file, which is looked at again.

        Raises FileNotFoundError or FileExistsError where somebody else was faster.
        """
        grave = self.path.with_name(f"{self.path.name}.{uuid.uuid4().hex}.part")
        os.rename(self.path, grave)
        if holder_of(grave) != holder:  # a new one, made since we looked: it goes back
            os.link(grave, self.path)
            os.unlink(grave)
            raise FileExistsError
        os.unlink(grave)

    def _write(self, holder: Holder) -> None:
        """Make the file. A hard link comes into being once, on every file system that has them, also between hosts."""
        descriptor, name = tempfile.mkstemp(dir=self.path.parent, prefix=self.path.name + ".", suffix=".part")
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as handle:
                handle.write(json.dumps(asdict(holder)))
            os.chmod(name, 0o644)  # others should see whose it is
            try:
                os.link(name, self.path)
            except OSError as error:
                if error.errno not in _NO_LINKS:
                    raise
                with open(self.path, "x", encoding="utf-8") as handle:
                    handle.write(json.dumps(asdict(holder)))
        finally:
            os.unlink(name)

    @contextlib.contextmanager
    def _guard(self) -> Iterator[None]:
        """Keep the other processes out while a lock is looked at and taken; the system frees it, however we end."""
        path = f"{self.path}.guard"
        while True:
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o666)
            try:
                try:
                    fcntl.flock(handle, fcntl.LOCK_EX)
                except OSError as error:  # then the file itself has to do
                    if error.errno not in _NO_FLOCK:
                        raise
                try:
                    current = os.path.samestat(os.fstat(handle), os.stat(path))
                except FileNotFoundError:
                    current = False
                if not current:  # whoever had it before has removed it
                    continue
                try:
                    yield
                finally:
                    with contextlib.suppress(FileNotFoundError):
                        os.unlink(path)
                return
            finally:
                os.close(handle)

    def _beat(self) -> None:
        while not self._done.wait(self.heartbeat_s):
            if not self._is_mine():
                self.lost = True
                return
            with contextlib.suppress(OSError):
                os.utime(self.path)
