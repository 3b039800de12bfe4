"""The engine of a Ray cluster: every job is a task on some node, and nothing but this process writes the store."""

from __future__ import annotations

import contextlib
import importlib.util
import time
import weakref
from collections import deque
from dataclasses import dataclass
from typing import Any

from bench.errors import BenchError, BusyError, LostError, in_one_line
from bench.execute.afar import HeldRun
from bench.execute.interrupts import Terminated
from bench.execute.messages import Event, Job
from bench.execute.plan import Settings
from bench.execute.ray_cluster import Cluster

LOOK_EVERY_S = 1.0  # at what the cluster holds
FAREWELL_S = 5.0  # for last words to arrive of runs that had to end


class Ray:
    """Nodes of a Ray cluster without shared files: `ray` starts one here, on loopback, `ray:HOST:PORT` joins another.

    What a run says and writes comes as a stream, whose next part is made when the last one was taken: so there is no
    mailbox that could fill, and when a node dies its streams end.
    """

    name = "ray"

    def __init__(self, *, module: str = "bench.execute.station", _settings: Settings | None = None) -> None:
        """module: what has the function `execute` that a task runs."""
        if importlib.util.find_spec("ray") is None:
            raise BenchError("--on ray: Ray is not installed; pip install 'spikebench[ray]'")
        self._settings = _settings or Settings()
        if self._settings.device not in ("auto", "cpu", "cuda"):
            raise BenchError(f"--device {self._settings.device}: on a Ray cluster it chooses the GPU; use cuda")
        self._module = module
        self._joined: Cluster | None = None
        self._slots, self._looked = 0, float("-inf")
        self._device = "cpu"
        self._running: dict[Any, _Running] = {}  # by the stream of its parcels
        self._said: deque[tuple[str, Event]] = deque()

    @property
    def _cluster(self) -> Cluster:
        if self._joined is None:
            self._joined = Cluster(self._settings.where)
            weakref.finalize(self, self._joined.close)
        return self._joined

    @property
    def waiting(self) -> int:
        """How many runs have not ended, and events have not been heard: nothing else is kept."""
        return len(self._running) + len(self._said)

    @property
    def slots(self) -> int:
        """How many runs the nodes take that are there now; 0 while all are gone."""
        if time.monotonic() - self._looked >= LOOK_EVERY_S:
            cpus, gpus = self._cluster.holds()
            if self._settings.device == "cuda" and not gpus and self._looked < 0:
                raise BenchError("--device cuda: no node of the cluster has a GPU")
            if self._looked < 0 and gpus and self._settings.device != "cpu":
                self._device = "cuda:0"  # of those that the task sees
            held = cpus if self._device == "cpu" else gpus * self._settings.per_gpu
            self._slots, self._looked = min(held, self._settings.jobs or held), time.monotonic()
        return self._slots

    def start(self, job: Job) -> None:
        """Send a job to a node. Raises StoreError where its folder cannot be made."""
        _ = self.slots  # and so the device
        try:
            run = HeldRun(job)
        except BusyError as error:
            self._said.append((job.key, Event(kind="busy", error=str(error))))
            return
        try:
            order = run.order(self._device, self._settings.offline)
        except BenchError as error:
            order = Event(kind="failed", error=str(error))
        except BaseException:
            run.free()
            raise
        self._said.extend((job.key, Event(kind="note", error=note)) for note in run.notes)
        if isinstance(order, Event):
            run.free()
            self._said.append((job.key, order))
            return
        share = (
            {"num_cpus": 1.0} if self._device == "cpu" else {"num_cpus": 0.0, "num_gpus": 1 / self._settings.per_gpu}
        )
        self._running[self._cluster.stream(share, self._module, order)] = _Running(run)

    def hear(self, patience_s: float | None) -> tuple[str, Event] | None:
        """Return what a run says, once what came with it is written."""
        deadline = None if patience_s is None else time.monotonic() + patience_s
        while not self._said:
            left_s = None if deadline is None else max(0.0, deadline - time.monotonic())
            self._listen(left_s)
            if left_s == 0.0 and not self._said:
                return None
        return self._said.popleft()

    def stop(self, grace_s: float) -> set[str]:
        """Ring the bell, so that every run saves and ends, and end by force what does not; the cluster is left then."""
        killed: set[str] = set()
        if self._joined is None:
            return killed
        for stream, running in list(self._running.items()):
            if not running.begun:  # it waits for a place, and has nothing to save
                self._end(stream, Event(kind="interrupted", error="ended before it had begun"), force=True)
        self._joined.bell.ring.remote(grace_s)
        deadline = time.monotonic() + grace_s + FAREWELL_S
        while self._running and time.monotonic() < deadline:
            try:
                self._listen(min(0.5, max(0.0, deadline - time.monotonic())))
            except Terminated:
                continue
            except KeyboardInterrupt:
                break
        for stream, running in list(self._running.items()):
            killed.add(running.key)
            self._end(stream, Event(kind="interrupted", error="killed before it could save"), force=True)
        self._joined.close()
        return killed | {key for key, event in self._said if event.error == "killed before it could save"}

    def _listen(self, patience_s: float | None) -> None:
        """Take one parcel of each run that has sent one; wait for the first."""
        if not self._running:
            time.sleep(LOOK_EVERY_S if patience_s is None else patience_s)
            return
        ray, streams = self._cluster.ray, list(self._running)
        ready, waiting = ray.wait(streams, num_returns=1, timeout=patience_s)
        if ready and waiting:
            ready += ray.wait(waiting, num_returns=len(waiting), timeout=0)[0]
        for stream in ready:
            self._take(stream, self._running[stream])

    def _take(self, stream: Any, running: _Running) -> None:
        """Write what a run has sent, and keep its events to be heard."""
        errors = self._cluster.ray.exceptions
        try:
            parcel = self._cluster.ray.get(next(stream))
        except StopIteration:
            self._end(stream, Event(kind="failed", error="its task ended without a word"))
            return
        except errors.RayTaskError as error:
            self._end(stream, Event(kind="failed", error=_cause(error)))
            return
        except errors.RayError as error:
            self._looked = 0.0  # the cluster holds less, perhaps
            words = f"its node or process is gone ({type(error).__name__})"
            self._said.append((running.key, Event(kind="note", error=words)))
            self._end(stream, Event(kind="interrupted", error=words))
            return
        running.begun = True
        try:
            events = running.run.take(parcel)
        except LostError as error:
            self._end(stream, Event(kind="busy", error=str(error)), force=True)
            return
        except BenchError as error:
            self._end(stream, Event(kind="failed", error=str(error)), force=True)
            return
        for event in events:
            if event.final:
                self._end(stream, event)
                return
            self._said.append((running.key, event))

    def _end(self, stream: Any, event: Event, *, force: bool = False) -> None:
        """Let a run go with its last event; by force what executes it is ended, and its worker with that."""
        running = self._running.pop(stream)
        if force:
            with contextlib.suppress(self._cluster.ray.exceptions.RayError):
                self._cluster.ray.cancel(stream, force=True)
        running.run.free()
        self._said.append((running.key, event))


@dataclass(eq=False)
class _Running:
    run: HeldRun
    begun: bool = False  # its task has sent something

    @property
    def key(self) -> str:
        return self.run.job.key


def _cause(error: Any) -> str:
    """Say what went wrong in a task, without Ray's long story."""
    cause = getattr(error, "cause", None) or error
    return f"{type(cause).__name__}: {in_one_line(cause)}"
