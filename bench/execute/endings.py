"""Why a process ended, in one line."""

from __future__ import annotations

import signal


def last_words(code: int | None, log: str) -> str:
    """Return the signal that ended a process, or else the last line that it printed (`log`)."""
    if code is not None and code < 0:
        hint = "; is there enough memory?" if -code == signal.SIGKILL else ""
        return f"killed by {signal.Signals(-code).name}{hint}"
    lines = [line for line in log.splitlines() if line.strip()]
    return lines[-1].strip() if lines else f"ended with exit code {code} and no message"
