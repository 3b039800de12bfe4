"""The process that has torch imported and forks a worker for each job: `python -m bench.execute.forkserver SOCKET`.

A request is one packet: a job with the worker's standard input, output and error and a pipe for its exit code, or a
signal for a worker. Requests are taken in order, so that a signal comes after the fork. It never touches a GPU, ends
when the other end of its socket closes, and leaves the workers running then: they see to themselves.
"""

from __future__ import annotations

import atexit
import contextlib
import gc
import json
import math
import os
import select
import signal
import socket
import sys
from dataclasses import dataclass, field

from bench.errors import BenchError
from bench.execute import worker
from bench.execute.messages import Job, path_of_text
from bench.execute.processes import HELD_BACK

PACKET_BYTES = 2**20
WARM_VALUES = 10_000_000  # of a data set that is loaded once, for the libraries it imports when it loads


def main() -> int:
    """Serve until nobody listens; in a worker that was forked, do its job."""
    signal.pthread_sigmask(signal.SIG_BLOCK, HELD_BACK)
    end = End()
    atexit.register(end)  # the first to be registered, so that it comes after all else that waits for the end
    server = Server(socket.socket(fileno=int(sys.argv[1])))
    import_all()
    if not server.serve():
        os._exit(0)  # a second quicker than the interpreter's own end, for which the command waits
    end.code = worker.main()
    return end.code


@dataclass
class End:
    """Ends a forked process whose exit code is known, as the last of what is done at its end.

    The interpreter's own end writes to every page that the fork shares: five times as long as a short run takes.
    """

    code: int | None = None

    def __call__(self) -> None:
        """End this process, where its exit code is known."""
        if self.code is not None:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(self.code)


def import_all() -> None:
    """Import what every run needs, seconds of work."""
    import torch
    import torch._dynamo  # by the first step of any optimiser

    import bench.execute.work
    import bench.runs.run
    import bench.store.checkpoints  # noqa: F401

    torch.set_num_threads(1)  # and no thread is ever started here, which a fork would lose


def warm(job: Job) -> None:
    """Do once what all workers would do again: import plug-ins, and digest their sources. Outside code never runs."""
    from bench.runs.assembly import assemble
    from bench.runs.provenance import code_digest

    if job.trust:
        return
    with contextlib.suppress(BenchError, MemoryError, OSError, RuntimeError):  # the worker says it, of its run
        code_digest(job.spec)
        dataset = assemble(job.spec).dataset
        if dataset.train_samples * math.prod(dataset.sample_shape) <= WARM_VALUES:
            dataset.load(path_of_text(job.data), offline=True)


@dataclass
class Server:
    """Forks workers on request, and says how they ended."""

    requests: socket.socket
    workers: dict[int, tuple[int, int]] = field(default_factory=dict)  # pid -> (number, pipe for the exit code)
    warmed: set[str] = field(default_factory=set)

    def serve(self) -> bool:
        """Return true in a worker that was just forked, and false when nobody listens any more."""
        wake, woken = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(woken, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda number, frame: None)
        heard = select.poll()
        heard.register(wake, select.POLLIN)
        heard.register(self.requests, select.POLLIN)
        while True:
            ready = [file for file, _ in heard.poll()]
            if wake in ready:
                os.read(wake, 4096)
                self._reap()
            if self.requests.fileno() in ready:
                packet, files, _, _ = socket.recv_fds(self.requests, PACKET_BYTES, 4)
                if not packet:
                    return False
                if self._obeyed(json.loads(packet), files):
                    signal.set_wakeup_fd(-1)
                    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                    os.close(wake)
                    os.close(woken)
                    return True

    def _obeyed(self, request: dict[str, object], files: list[int]) -> bool:
        """Do what is asked; true in a new worker."""
        if "signal" in request:
            for pid, (number, _) in self.workers.items():
                if number == request["worker"]:
                    os.kill(pid, int(str(request["signal"])))  # not reaped, so the pid is still its own
            return False
        *standard, status = files
        os.dup2(standard[2], 2)  # what libraries say meanwhile goes to the log of the run
        self._warm(Job.model_validate(request["job"]))
        alone = len(os.listdir("/proc/self/task")) == 1
        gc.freeze()  # a collection in a worker leaves alone what it shares
        pid = os.fork()
        if pid:
            self.workers[pid] = int(str(request["worker"])), status
            for file in standard:
                os.close(file)
            return False
        os.setsid()
        for descriptor, file in enumerate(standard):
            os.dup2(file, descriptor)
        self.requests.close()
        for file in (*files, *(pipe for _, pipe in self.workers.values())):
            os.close(file)
        if not alone:  # a library has started threads, whose locks the fork has taken along
            os.execv(sys.executable, [sys.executable, "-m", worker.__name__])
        return True

    def _warm(self, job: Job) -> None:
        dataset = job.spec.dataset.model_dump_json()
        if dataset not in self.warmed and not self.workers:  # whose signals and exit codes would wait meanwhile
            self.warmed.add(dataset)
            warm(job)

    def _reap(self) -> None:
        for pid, (_, status) in list(self.workers.items()):
            ended, how = os.waitpid(pid, os.WNOHANG)
            if ended:
                del self.workers[pid]
                with contextlib.suppress(BrokenPipeError):
                    os.write(status, str(os.waitstatus_to_exitcode(how)).encode())
                os.close(status)


if __name__ == "__main__":
    sys.exit(main())
