"""One job executed in this process: whoever has the run's lock does it, and says how it went. What an engine runs."""

from __future__ import annotations

import contextlib
import logging
import os
import socket
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from bench.errors import BenchError, BusyError, LostError, RunFailedError, StoreError
from bench.execute.messages import Event, Job, path_of_text
from bench.execute.placement import OUT_OF_MEMORY
from bench.execute.plan import prepare_data_of
from bench.files.lock import Lock
from bench.plugins.trust import trusting
from bench.store.failures import last_failure, write_failure
from bench.store.folder import RunFolder
from bench.store.store import State, Store

if TYPE_CHECKING:
    import torch

    from bench.train.pace import Progress

PROGRESS_EVERY_S = 0.5
LOCK_PATIENCE_S = 10.0  # an orphan of an earlier command needs a moment to save and end

Say = Callable[[Event], None]


def work(job: Job, say: Say, stop: Callable[[], bool], patience_s: float = LOCK_PATIENCE_S) -> Event:
    """Execute a job where nobody else has done so; `say` hears every event, and the last one is returned.

    stop: asked between steps; once it is true, the run saves its checkpoint and ends as "interrupted".  patience_s: for
    whoever has the run's lock. What fails for a reason that a user can cure ends as "failed", and the reason lies in
    the run's folder; whatever else goes wrong is kept there too, and raised.
    """
    with _notes_said(say), trusting(job.trust):
        final = _executed(job, say, stop, patience_s)
    _journal(f"{final.kind}{': ' * bool(final.error)}{final.error}")
    say(final)
    return final


def _executed(job: Job, say: Say, stop: Callable[[], bool], patience_s: float) -> Event:
    from bench.train.loop import Interrupted

    folder = RunFolder(Path(job.folder))
    try:
        with folder.lock(patience_s) as lock:
            ended = ended_by_another(job, folder)
            if ended is not None:
                return ended
            clear_the_way(folder, say)
            _journal(f"begins on {job.device} of {socket.gethostname()}")
            with _failure_kept(folder, lock):
                _run(job, folder, lock, say, stop)
            return Event(kind="done")
    except Interrupted:
        return Event(kind="interrupted")
    except BusyError as error:
        if isinstance(error, LostError):
            _in_log(traceback.format_exc())  # and what went wrong before it was noticed
        return Event(kind="busy", error=str(error))
    except BenchError as error:
        _in_log(traceback.format_exc())
        return Event(kind="failed", error=str(error))


def _run(job: Job, folder: RunFolder, lock: Lock, say: Say, stop: Callable[[], bool]) -> None:
    from bench.runs.run import run_one
    from bench.runs.training import Place
    from bench.store.checkpoints import Checkpoints

    data = path_of_text(job.data)
    if not job.offline:
        prepare_data_of([job.spec], data, offline=False)
    keeper, memory = Checkpoints(folder.checkpoint, lock.check), _memory_of(job.device)
    place = Place(keeper, data, job.offline, job.device, job.path)
    inspect = _profiled(folder) if job.profile else None
    record = run_one(job.planned(), place, _progress_said(say, memory), lambda: stop() or lock.lost, inspect)
    lock.check()
    folder.write_record(record)


def _profiled(folder: RunFolder) -> Callable[[Callable[[], int], torch.device, str], None]:
    """Return what profiles a training step and leaves table and trace in the run's folder."""
    from bench.train.machine.profiling import profile_steps

    def inspect(step: Callable[[], int], device: torch.device, path: str) -> None:
        found = profile_steps(step, device, path)
        folder.write_profile(found.table, found.write_trace)

    return inspect


def _memory_of(device: str) -> Callable[[], tuple[int, int]]:
    """Return what says how many bytes of a GPU the run has taken, and how many that has; 0 and 0 on a CPU."""
    if not device.startswith("cuda"):
        return lambda: (0, 0)
    import torch

    whole = int(torch.cuda.get_device_properties(device).total_memory)
    return lambda: (torch.cuda.max_memory_reserved(device), whole)


def _progress_said(say: Say, memory: Callable[[], tuple[int, int]]) -> Callable[[Progress], None]:
    """Return what hears of every step, and says so now and then, with the `memory` of the GPU."""
    last = 0.0

    def watch(progress: Progress) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last >= PROGRESS_EVERY_S or progress.step == progress.steps:
            last = now
            taken, whole = memory()
            say(Event(kind="progress", memory_bytes=taken, device_bytes=whole, **vars(progress)))

    return watch


def _journal(words: str) -> None:
    _in_log(f"{time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime())} process {os.getpid()}: {words}")


def _in_log(words: str) -> None:
    with contextlib.suppress(OSError):  # a full disk must not hide what went wrong
        print(words, file=sys.stderr, flush=True)


def ended_by_another(job: Job, folder: RunFolder) -> Event | None:
    """Say how another process ended the run since it was planned; None where it is still to do. The lock is held."""
    if not folder.changed_since(job.seen):
        return None
    run = job.planned()
    state = Store(folder.path.parents[1]).state(run)
    if state is State.DONE:
        return Event(kind="done")
    failed = last_failure(run, folder) if state is State.FAILED else None
    return None if failed is None else Event(kind="failed", error=str(failed.error))


def clear_the_way(folder: RunFolder, say: Say) -> None:
    """Make a run's folder ready for the run to begin, or to go on. The lock is held."""
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
            words = f"{OUT_OF_MEMORY}: {words.partition(chr(10))[0]}; lower train.batch_size, or --jobs"
        with contextlib.suppress(StoreError):  # on a full disk, which is then what `words` say
            write_failure(folder, words, traceback.format_exc())
        if is_out_of_memory(error):
            raise RunFailedError(words) from error
        raise


@contextlib.contextmanager
def _notes_said(say: Say) -> Iterator[None]:
    """Hand on what the package says while it works."""
    notes, logger = _Notes(say), logging.getLogger("bench")
    logger.addHandler(notes)
    try:
        yield
    finally:
        logger.removeHandler(notes)


class _Notes(logging.Handler):
    def __init__(self, say: Say) -> None:
        super().__init__(logging.WARNING)
        self.say = say

    def emit(self, record: logging.LogRecord) -> None:
        self.say(Event(kind="note", error=record.getMessage()))
