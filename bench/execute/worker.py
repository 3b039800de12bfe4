"""The process of one run: reads a job from standard input and writes events to standard output.

Exit codes: 0 done, 75 stopped and able to go on, 1 failed. Whoever started it keeps standard error as the run's log and
finds the traceback of an unexpected failure there. Standard input stays open: when it closes, whoever listened is gone,
and the run saves its checkpoint and ends.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
from types import FrameType

from bench.execute.messages import Event, Job
from bench.execute.processes import listen
from bench.execute.work import work

EXIT_INTERRUPTED = 75  # sysexits' "temporary failure": start it again and it goes on


def main() -> int:
    """Execute the job on standard input."""
    stop = _StopFlag()
    line = sys.stdin.buffer.readline()  # UTF-8, whatever the locale
    if not line:  # whoever started it ended before it could say why
        return EXIT_INTERRUPTED
    job = Job.model_validate_json(line)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    events = os.fdopen(os.dup(sys.stdout.fileno()), "w", buffering=1, encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # a library that prints must not break the event stream

    import torch  # seconds, in a process of its own; whoever asks to stop meanwhile is heard

    torch.set_num_threads(1)  # processes of one thread each beat one process of several

    def say(event: Event) -> None:
        with contextlib.suppress(BrokenPipeError):  # nobody listens any more; the stop flag ends the run
            events.write(event.model_dump_json() + "\n")

    final = work(job, say, stop)
    return {"done": 0, "interrupted": EXIT_INTERRUPTED}.get(final.kind, 1)


def _end_with_parent() -> None:
    os.read(sys.stdin.fileno(), 1)  # returns when the other end closes
    os.kill(os.getpid(), signal.SIGTERM)


class _StopFlag:
    """True once the process was asked to stop."""

    def __init__(self) -> None:
        self.asked = False
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._ask)
        listen()

    def _ask(self, number: int, frame: FrameType | None) -> None:
        self.asked = True

    def __call__(self) -> bool:
        return self.asked


if __name__ == "__main__":
    sys.exit(main())
