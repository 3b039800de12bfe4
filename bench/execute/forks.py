"""Workers forked from one process that has torch imported, so that each starts in no time: the near end of it."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import weakref
from collections.abc import Mapping
from typing import IO, Any

from bench.execute.messages import Job
from bench.execute.processes import held_back

END_S = 2.0  # for the process that forks to do as it is told


class Forks:
    """The process that forks workers, `bench.execute.forkserver`. It ends with this object."""

    def __init__(self, environment: Mapping[str, str], log: IO[str]) -> None:
        """log: what it says, until it works for another."""
        self.environment = dict(environment)
        self._requests, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._numbers = 0
        with theirs, held_back():
            self._process = subprocess.Popen(
                [sys.executable, "-m", "bench.execute.forkserver", str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=self.environment,
                pass_fds=[theirs.fileno()],
                start_new_session=True,
            )
        weakref.finalize(self, _end, self._requests, self._process)

    def fork(self, job: Job, log: IO[str]) -> Forked | None:
        """Return a new worker with its standard error in `log`; None where the process that forks is gone."""
        self._numbers += 1
        pipes = [os.pipe() for _ in range(3)]
        (their_in, our_in), (our_out, their_out), (our_end, their_end) = pipes
        packet = json.dumps({"worker": self._numbers, "job": job.model_dump(mode="json")}).encode()
        theirs = [their_in, their_out, log.fileno(), their_end]
        try:
            socket.send_fds(self._requests, [packet], theirs)
        except OSError:
            for file in (our_in, our_out, our_end):
                os.close(file)
            return None
        finally:
            for file in (their_in, their_out, their_end):
                os.close(file)
        return Forked(self, self._numbers, our_in, our_out, our_end)

    def signal(self, worker: int, number: int) -> bool:
        """Send a signal to a worker once it is forked, if it has not ended then; false where nobody sends any more."""
        try:
            self._requests.send(json.dumps({"worker": worker, "signal": int(number)}).encode())
        except OSError:
            return False
        return True

    def kill(self) -> None:
        """End the process that forks, by force; its workers save and end once nobody listens."""
        self._process.kill()


class Forked:
    """A worker, as `subprocess.Popen` would have it; its return code is None too where nobody could say it."""

    def __init__(self, forks: Forks, number: int, to: int, out: int, end: int) -> None:
        """to, out, end: pipes to its standard input, from its standard output, and of its exit code."""
        self.stdin: IO[str] = os.fdopen(to, "w", encoding="utf-8")
        self.stdout: IO[str] = os.fdopen(out, encoding="utf-8", errors="replace")
        self.returncode: int | None = None
        self._forks, self._number = forks, number
        self._ended = threading.Event()
        threading.Thread(target=self._await, args=(end,), daemon=True).start()

    def _await(self, end: int) -> None:
        with os.fdopen(end, encoding="ascii") as pipe:
            code = pipe.read()
        self.returncode = int(code) if code else None
        self._ended.set()

    def wait(self, timeout: float | None = None) -> int | None:
        """Return its exit code when it has ended. Raises subprocess.TimeoutExpired."""
        if not self._ended.wait(timeout):
            raise subprocess.TimeoutExpired("worker", timeout or 0.0)
        return self.returncode

    def send_signal(self, number: int) -> None:
        """Send it a signal; where the process that forks is gone, let it see that nobody listens: it saves and ends."""
        if not self._forks.signal(self._number, number):
            with contextlib.suppress(BrokenPipeError):
                self.stdin.close()

    def kill(self) -> None:
        """End it by force, and the process that forks where that is too busy to do it."""
        self.send_signal(signal.SIGKILL)
        if not self._ended.wait(END_S):
            self._forks.kill()


def _end(requests: socket.socket, process: subprocess.Popen[Any]) -> None:
    requests.close()
    try:
        process.wait(END_S)
    except subprocess.TimeoutExpired:  # it still imports
        process.kill()
        process.wait()
