"""Worker processes: the environment that they get, how one is started afresh, and why it ended in one line."""

from __future__ import annotations

import contextlib
import functools
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO

from bench.processor import portable_environment

LOG_TAIL_LINES = 60
KERNELS = "TORCHINDUCTOR_CACHE_DIR"  # where torch.compile keeps what it has compiled
HELD_BACK = (signal.SIGINT, signal.SIGTERM)


def worker_environment(device: str, *, portable: bool = False) -> dict[str, str]:
    """Return the environment of a worker on a device: on a CPU it has one thread. Decided here for all of them.

    portable: its libraries compute what they would on any x86-64 processor.
    What torch reads once, when it is imported, belongs in here: a worker whose environment differs from that of the
    process that forks the others is started afresh.
    """
    threads = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"} if device == "cpu" else {}
    asked = os.environ.get(KERNELS, "")
    torchs_own = asked.startswith(f"{tempfile.gettempdir()}/torchinductor_")  # its default, which it writes there
    kernels = str(kernel_folder()) if torchs_own or not asked else asked
    inherited = portable_environment(os.environ) if portable else os.environ
    return {**inherited, KERNELS: kernels, **threads}


@functools.cache
def kernel_folder() -> Path:
    """Return a folder of the user's for compiled kernels, which outlives a run; a temporary one where home is closed.

    Several processes may use it at once: torch writes whole files there, under names that say what is in them.
    """
    caches = os.environ.get("XDG_CACHE_HOME", "")
    home = Path(caches if os.path.isabs(caches) else os.path.expanduser("~/.cache"))  # "~" stays where there is no home
    users = [home / "spikebench" / "kernels"] if home.is_absolute() else []
    for folder in (*users, Path(tempfile.gettempdir()) / f"spikebench-kernels-{os.getuid()}"):
        with contextlib.suppress(OSError):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            if os.access(folder, os.W_OK | os.X_OK) and folder.stat().st_uid == os.getuid():
                return folder
    return Path(tempfile.mkdtemp(prefix="spikebench-kernels-"))


def start_worker(
    module: str, environment: Mapping[str, str], log: IO[str], *, own_session: bool = False
) -> subprocess.Popen[str]:
    """Start `python -m module`, its standard error in `log`.

    own_session: Ctrl-C on the terminal does not reach it, and what asks it to end is held back until it listens.
    """
    with held_back() if own_session else contextlib.nullcontext():
        return subprocess.Popen(
            [sys.executable, "-m", module],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            encoding="utf-8",
            errors="replace",
            env=dict(environment),
            start_new_session=own_session,
        )


@contextlib.contextmanager
def held_back() -> Iterator[None]:
    """Start processes that hear neither SIGINT nor SIGTERM until they call `listen`; none that came is lost."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, HELD_BACK)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def listen() -> None:
    """Hear now what was held back."""
    signal.pthread_sigmask(signal.SIG_UNBLOCK, HELD_BACK)


def last_words(code: int | None, log: str) -> str:
    """Return the signal that ended a process, or else the last line that it printed (`log`)."""
    if code is not None and code < 0:
        hint = "; is there enough memory?" if -code == signal.SIGKILL else ""
        return f"killed by {signal.Signals(-code).name}{hint}"
    lines = [line for line in log.splitlines() if line.strip()]
    return lines[-1].strip() if lines else f"ended with exit code {code} and no message"


def tail(log: Path) -> str:
    """Return the last lines of a log, nothing where there is none."""
    try:
        lines = log.read_text("utf-8", errors="replace").splitlines()
    except OSError:
        return ""
    return "\n".join(lines[-LOG_TAIL_LINES:])
