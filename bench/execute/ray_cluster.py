"""A Ray cluster as the engine `ray` needs it: joined or started, what it holds, and the bell that stops its runs."""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import ipaddress
import logging
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

from bench.errors import BenchError, in_one_line

LOOPBACK = "127.0.0.1"
OBJECT_BYTES = 2**29  # for what travels, of a cluster that is started here: a checkpoint a run, and the rest on disk
ANSWER_S = 10.0
HEALTH_S = 60.0  # for a command of Ray's own, which takes a second or two
AUTH_MODE = "RAY_AUTH_MODE"
MOST_PROCESSES = 100_000  # that may wait for the bell


class Cluster:
    """The cluster at an address, or one of this machine alone on loopback, which ends with `close`."""

    def __init__(self, where: str) -> None:
        """where: HOST:PORT; "" starts a cluster. Raises BenchError where there is none, or no node of it is here."""
        host = _host(where)
        self._mode, self._ours = os.environ.get(AUTH_MODE), False
        try:
            self._join(where, host)
        except BenchError:
            self._forget_token()
            raise
        here = importlib.import_module("ray.util.scheduling_strategies").NodeAffinitySchedulingStrategy(
            self.ray.get_runtime_context().get_node_id(), soft=False
        )
        beside = {"num_cpus": 0, "max_concurrency": MOST_PROCESSES, "scheduling_strategy": here}
        self._tasks: dict[tuple[tuple[str, float], ...], Any] = {}  # by what a task takes of a node
        self.bell: Any = self.ray.remote(Bell).options(**beside).remote()

    def _join(self, where: str, host: str) -> None:
        _say_to_ray(alone=not where, loopback=host == LOOPBACK)
        if where:
            _check_answer(where)
            _mind_its_token(where, loopback=host == LOOPBACK)
        arguments = {"address": where} if where else _alone()
        with _signals_as_they_were():
            self.ray: Any = importlib.import_module("ray")
            # What a node wrote last before it died is not for whoever reads how far the runs are, whatever Ray is told.
            vars(importlib.import_module("ray._private.worker"))["print_to_stdstream"] = lambda *said, **how: None
            self._ours = not self.ray.is_initialized()
            if self._ours:
                try:
                    self.ray.init(
                        **arguments,
                        **({"_node_ip_address": LOOPBACK} if host == LOOPBACK else {}),
                        log_to_driver=False,
                        logging_level=logging.CRITICAL,
                        configure_logging=False,
                    )
                except (OSError, RuntimeError, ValueError, AssertionError, self.ray.exceptions.RayError) as error:
                    raise BenchError(f"--on ray{':' * bool(where)}{where}: {in_one_line(error)}") from error

    def holds(self) -> tuple[int, int]:
        """Return how many CPUs and GPUs the nodes have that are there now."""
        found = self.ray.cluster_resources()
        return int(found.get("CPU", 0)), int(found.get("GPU", 0))

    def stream(self, resources: dict[str, float], module: str, order: object) -> Any:
        """Start a task that executes an order by `module`, on a node with these resources; return its parcels.

        The task makes the next parcel when one is taken, and is never tried again: where is for others to decide.
        """
        shares = tuple(sorted(resources.items()))
        if shares not in self._tasks:  # a function that is made anew is sent to all nodes anew
            settings = {"max_retries": 0, "num_returns": "streaming", "_generator_backpressure_num_objects": 1}
            self._tasks[shares] = self.ray.remote(_execute).options(**settings, **resources)
        return self._tasks[shares].remote(module, order, self.bell)

    def close(self) -> None:
        """Leave the cluster, and end it where it was started here."""
        if self._ours:
            self._ours = False
            with _signals_as_they_were():
                self.ray.shutdown()
        self._forget_token()

    def _forget_token(self) -> None:
        """Have Ray show its token no longer where it was told to here: the next cluster may be another's."""
        if self._mode is None and os.environ.pop(AUTH_MODE, None) is not None and "ray" in sys.modules:
            raylet = importlib.import_module("ray._raylet")  # which has read the variable
            raylet.Config.initialize("")
            raylet.AuthenticationTokenLoader.instance().reset_cache()


class Bell:
    """Rung once, when all runs have to save and end; whoever waits for it hears it. An actor beside the command."""

    def __init__(self) -> None:
        self._rung, self._grace_s = asyncio.Event(), 0.0

    async def ring(self, grace_s: float) -> None:
        """Give all runs so many seconds."""
        self._grace_s = grace_s
        self._rung.set()

    async def heard(self) -> float:
        """Wait until it rings, and return the seconds that there are."""
        await self._rung.wait()
        return self._grace_s


_awaited: dict[object, Any] = {}  # by the bell: its answer, for which a process of a node waits once for all its tasks


def _execute(module: str, order: object, bell: Any) -> Iterator[object]:
    """Execute an order on this node: what a Ray task is."""
    yield from importlib.import_module(module).execute(order, lambda: _asked(bell))


def _asked(bell: Any) -> float | None:
    """Return the seconds to save and end in once the bell is rung, or gone with the command; None before."""
    ray = importlib.import_module("ray")
    if bell not in _awaited:
        _awaited[bell] = bell.heard.remote()
    if not ray.wait([_awaited[bell]], timeout=0)[0]:
        return None
    try:
        return float(ray.get(_awaited[bell]))
    except ray.exceptions.RayError:
        return 0.0


def _host(where: str) -> str:
    """Return the host of an address, that of a cluster started here for none. Raises BenchError for what is none."""
    if not where:
        return LOOPBACK
    host, _, port = where.rpartition(":")
    if not host or not port.isdecimal() or "/" in host:
        raise BenchError(f"--on ray:{where}: should be HOST:PORT, as `ray start --head` prints it, or `--on ray` alone")
    with contextlib.suppress(ValueError):
        return LOOPBACK if ipaddress.ip_address(host).is_loopback else host
    return LOOPBACK if host == "localhost" else host


def _say_to_ray(*, alone: bool, loopback: bool) -> None:
    """Set what Ray reads once, when it is imported, and hands to the processes that it starts."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    if alone:
        os.environ.setdefault(AUTH_MODE, "token")  # other users of this machine are kept out
    if loopback:  # otherwise Ray takes the outer address of this machine in place of 127.0.0.1
        os.environ["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0"


def _mind_its_token(where: str, *, loopback: bool) -> None:
    """Have Ray show its token to a cluster of this machine that asks for one, as `ray start` does once there is one.

    Raises BenchError for one elsewhere: whether a token travels is for the user to say. Ray itself would try for long.
    """
    if os.environ.get(AUTH_MODE) is not None:
        return
    health = [sys.executable, "-m", "ray.scripts.scripts", "health-check", "--address", where]
    without = os.environ | {AUTH_MODE: "disabled"}
    try:
        asked = subprocess.run(health, env=without, capture_output=True, timeout=HEALTH_S, check=False)
    except subprocess.TimeoutExpired:
        return  # whoever joins it is told
    if asked.returncode and b"AuthenticationError" in asked.stderr:
        if not loopback:
            raise BenchError(f"--on ray:{where}: it asks for a token; with {AUTH_MODE}=token Ray shows it yours")
        os.environ[AUTH_MODE] = "token"


def _alone() -> dict[str, object]:
    return {
        "address": "local",
        "num_cpus": len(os.sched_getaffinity(0)),
        "include_dashboard": False,
        "object_store_memory": OBJECT_BYTES,
    }


def _check_answer(where: str) -> None:
    """Raise BenchError where nobody answers at an address; Ray itself would try for minutes."""
    host, _, port = where.rpartition(":")
    try:
        socket.create_connection((host, int(port)), ANSWER_S).close()
    except (OSError, OverflowError) as error:
        raise BenchError(
            f"--on ray:{where}: nobody answers there ({error}); start it with `ray start --head`"
        ) from None


@contextlib.contextmanager
def _signals_as_they_were() -> Iterator[None]:
    """Keep what this process does on a signal: Ray would take SIGTERM for itself."""
    before: dict[int, Callable[..., Any] | int | None] = {
        number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            with contextlib.suppress(ValueError):  # not the main thread, where Ray cannot have changed it either
                signal.signal(number, handler)
