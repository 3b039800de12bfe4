"""The process of one run: reads a job from standard input and writes events to standard output.

Exit codes: 0 done, 75 stopped and able to go on, 1 failed. Whoever started it keeps standard error as the run's log and
finds the traceback of an unexpected failure there. Standard input stays open: when it closes, whoever listened is gone,
and the run saves its checkpoint and ends.
"""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType

from bench.errors import BenchError, BusyError, LostError, RunFailedError, StoreError
from bench.execute.messages import Event, Job
from bench.files.lock import Lock
from bench.store.failures import last_failure, write_failure
from bench.store.folder import RunFolder
from bench.store.store import State, Store

PROGRESS_EVERY_S = 0.5
LOCK_PATIENCE_S = 10.0  # an orphan of an earlier command needs a moment to save and end
EXIT_INTERRUPTED = 75  # sysexits' "temporary failure": start it again and it goes on


def main() -> int:
    """Execute the job on standard input."""
    job = Job.model_validate_json(sys.stdin.readline())
    threading.Thread(target=_end_with_parent, daemon=True).start()
    events = os.fdopen(os.dup(sys.stdout.fileno()), "w", buffering=1, encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # a library that prints must not break the event stream

    stop = _StopFlag()

    import torch  # seconds; whoever asks to stop meanwhile is heard

    from bench.runs.run import Place, run_one
    from bench.store.checkpoints import Checkpoints
    from bench.train.loop import Interrupted
    from bench.train.machine.profiling import profile_steps
    from bench.train.pace import Progress

    torch.set_num_threads(1)  # processes of one thread each beat one process of several
    last = 0.0

    def say(event: Event) -> None:
        with contextlib.suppress(BrokenPipeError):  # nobody listens any more; the stop flag ends the run
            events.write(event.model_dump_json() + "\n")

    def watch(progress: Progress) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last >= PROGRESS_EVERY_S or progress.step == progress.steps:
            last = now
            say(Event(kind="progress", **vars(progress)))

    def inspect(step: Callable[[], int], device: torch.device, path: str) -> None:
        found = profile_steps(step, device, path)
        folder.write_profile(found.table, found.write_trace)

    folder, run = RunFolder(Path(job.folder)), job.planned()
    logging.getLogger("bench").addHandler(_Notes(say))
    try:
        with folder.lock(LOCK_PATIENCE_S) as lock:
            final = _settled(job, folder)
            if final is None:
                _clear_the_way(folder, say)
                _journal(f"begins on {job.device}")
                keeper = Checkpoints(folder.checkpoint, lock.check)
                place = Place(keeper, Path(job.data), job.offline, job.device, job.path)
                with _failure_kept(folder, lock):
                    record = run_one(run, place, watch, lambda: stop() or lock.lost, inspect if job.profile else None)
                    lock.check()
                    folder.write_record(record)
                final = Event(kind="done")
    except Interrupted:
        final = Event(kind="interrupted")
    except BusyError as error:
        if isinstance(error, LostError):
            _in_log(traceback.format_exc())  # and what went wrong before it was noticed
        final = Event(kind="busy", error=str(error))
    except BenchError as error:
        _in_log(traceback.format_exc())
        final = Event(kind="failed", error=str(error))
    _journal(f"{final.kind}{': ' * bool(final.error)}{final.error}")
    say(final)
    return {"done": 0, "interrupted": EXIT_INTERRUPTED}.get(final.kind, 1)


def _journal(words: str) -> None:
    _in_log(f"{time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime())} process {os.getpid()}: {words}")


def _in_log(words: str) -> None:
    with contextlib.suppress(OSError):  # a full disk must not hide what went wrong
        print(words, file=sys.stderr, flush=True)


def _settled(job: Job, folder: RunFolder) -> Event | None:
    """Say how another process ended the run since it was planned; None where it is still to do. The lock is held."""
    if folder.last_result_ns == job.last_result_ns:
        return None
    run = job.planned()
    state = Store(folder.path.parents[1]).state(run)
    if state is State.DONE:
        return Event(kind="done")
    failed = last_failure(run, folder) if state is State.FAILED else None
    return None if failed is None else Event(kind="failed", error=str(failed.error))


def _clear_the_way(folder: RunFolder, say: Callable[[Event], None]) -> None:
    damaged = folder.set_record_aside()
    if damaged:
        say(Event(kind="note", error=damaged))
    if folder.to_begin_afresh:
        folder.start_afresh()
    with contextlib.suppress(OSError):  # an earlier attempt's; this one is under way
        folder.failure.unlink()


@contextlib.contextmanager
def _failure_kept(folder: RunFolder, lock: Lock) -> Iterator[None]:
    """Leave the reason of whatever goes wrong in the run's folder, before the lock is free again, and let it go on."""
    from bench.train.loop import Interrupted
    from bench.train.machine.device import is_out_of_memory

    try:
        yield
    except (Interrupted, BusyError):
        raise
    except Exception as error:
        lock.check()
        words = str(error) if isinstance(error, BenchError) else f"{type(error).__name__}: {error}"
        if is_out_of_memory(error):
            words = f"out of memory: {words.partition(chr(10))[0]}; lower train.batch_size, or --jobs"
        with contextlib.suppress(StoreError):  # on a full disk, which is then what `words` say
            write_failure(folder, words, traceback.format_exc())
        if is_out_of_memory(error):
            raise RunFailedError(words) from error
        raise


class _Notes(logging.Handler):
    """Hands on what the package says while it works."""

    def __init__(self, say: Callable[[Event], None]) -> None:
        super().__init__(logging.WARNING)
        self.say = say

    def emit(self, record: logging.LogRecord) -> None:
        self.say(Event(kind="note", error=record.getMessage()))


def _end_with_parent() -> None:
    os.read(sys.stdin.fileno(), 1)  # returns when the other end closes
    os.kill(os.getpid(), signal.SIGTERM)


class _StopFlag:
    """True once the process was asked to stop."""

    def __init__(self) -> None:
        self.asked = False
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._ask)

    def _ask(self, number: int, frame: FrameType | None) -> None:
        self.asked = True

    def __call__(self) -> bool:
        return self.asked


if __name__ == "__main__":
    sys.exit(main())
