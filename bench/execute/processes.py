"""Worker processes: how one is started, and why it ended in one line."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import IO

LOG_TAIL_LINES = 60


def start_worker(module: str, device: str, log: IO[str], *, own_session: bool = False) -> subprocess.Popen[str]:
    """Start `python -m module`, its standard error in `log`; on a CPU with one thread.

    own_session: Ctrl-C on the terminal does not reach it.
    """
    threads = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"} if device == "cpu" else {}
    return subprocess.Popen(
        [sys.executable, "-m", module],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=log,
        encoding="utf-8",
        errors="replace",
        env={**os.environ, **threads},
        start_new_session=own_session,
    )


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
