"""The program of one SLURM job: takes its line of a submission, executes it, and is queued again if it has to stop.

`python -m bench.execute.slurm.task SUBMISSION`, by `exec` from the job's script, so that signals reach it. Exit codes
are those of `bench.execute.worker`.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import sys
import time
from pathlib import Path
from types import FrameType

from bench.execute.messages import Event, Job
from bench.execute.processes import worker_environment
from bench.execute.slurm.commands import requeue, states
from bench.execute.slurm.submissions import SAVED, Submission
from bench.execute.worker import EXIT_INTERRUPTED
from bench.files.lock import STALE_S
from bench.store.folder import RunFolder

PROGRESS_EVERY_S = 2.0  # on a shared disk
LOCK_PATIENCE_S = STALE_S + 30.0  # the run's last node may have died with its lock
REQUEUED_WITHIN_S = 60.0
_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1)  # USR1: the time limit is near


def main() -> int:
    """Execute the job of this task."""
    signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)  # until there is somebody to hear them
    path, *again = sys.argv[1:]
    submission, index = Submission(Path(path)), int(os.environ["SLURM_ARRAY_TASK_ID"])
    job = submission.jobs()[index]
    job = job.model_copy(update={"device": device_of(job.device)})
    environment = worker_environment(job.device, portable=job.spec.train.portable)
    if not again and environment != dict(os.environ):  # libraries read it once, when they are imported
        os.execve(sys.executable, [sys.executable, "-m", "bench.execute.slurm.task", path, "again"], environment)
    return _Task(submission, index, job).execute()


def device_of(asked: str) -> str:
    """Return the device for what the command asked: "auto" is a GPU where this job was given one."""
    has_gpu = any(os.environ.get(name) for name in ("SLURM_JOB_GPUS", "SLURM_STEP_GPUS", "SLURM_GPUS_ON_NODE"))
    return ("cuda" if has_gpu else "cpu") if asked == "auto" else asked


class _Task:
    def __init__(self, submission: Submission, index: int, job: Job) -> None:
        self.submission, self.index, self.job = submission, index, job
        self.number = f"{os.environ['SLURM_ARRAY_JOB_ID']}_{index}"
        self.asked: signal.Signals | None = None  # to stop, by the first signal that came
        self.spoke = 0.0

    def execute(self) -> int:
        """Execute the job; its output goes to the run's log."""
        for number in _SIGNALS:
            signal.signal(number, self._ask)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
        folder = RunFolder(Path(self.job.folder))
        folder.make()
        with folder.open_log() as log:
            sys.stdout.flush()
            os.dup2(log.fileno(), 1)
            os.dup2(log.fileno(), 2)
        restarts = int(os.environ.get("SLURM_RESTART_COUNT", "0"))
        times = f", queued again {restarts} time{'s' * (restarts > 1)}" if restarts else ""
        self._say(Event(kind="note", error=f"on {socket.gethostname()}, SLURM job {self.number}{times}"))

        import torch  # seconds; whoever asks to stop meanwhile is heard

        from bench.execute.plan import Settings, resources
        from bench.execute.work import work

        torch.set_num_threads(1)
        devices, _ = resources(Settings(device=self.job.device, path=self.job.path))
        job = self.job.model_copy(update={"device": devices[0]})
        final = work(job, self._say_of_work, self._stop, LOCK_PATIENCE_S)
        if final.kind == "interrupted":
            self._end()
        return {"done": 0, "interrupted": EXIT_INTERRUPTED}.get(final.kind, 1)

    def _ask(self, number: int, frame: FrameType | None) -> None:
        self.asked = self.asked or signal.Signals(number)

    def _stop(self) -> bool:
        return self.asked is not None

    def _say_of_work(self, event: Event) -> None:
        """Append an event; whether an interrupted run has ended for good is seen later."""
        if event.kind == "progress":
            now = time.monotonic()
            is_last = (event.epoch, event.step) == (event.epochs, event.steps)
            if now - self.spoke < PROGRESS_EVERY_S and not is_last:
                return
            self.spoke = now
        if event.kind != "interrupted":
            self._say(event)

    def _say(self, event: Event) -> None:
        with contextlib.suppress(OSError):  # a full disk; opened each time, so that other hosts see it
            with self.submission.events(self.job).open("ab", buffering=0) as handle:
                handle.write(event.model_dump_json().encode() + b"\n")

    def _end(self) -> None:
        """Say that the run is saved, and have it queued again where SLURM would not do so, and nobody has ended it."""
        if self.submission.stop_mark(self.index).exists():
            self._say(Event(kind="interrupted"))
            return
        name = self.asked.name if self.asked else "the end"
        state = (states([self.number]) or {}).get(self.number)
        if state not in (None, "RUNNING"):  # SLURM is ending it: to queue it again, or because it was cancelled
            self._say(Event(kind="note", error=f"{SAVED} ({name})"))
            return
        self._say(Event(kind="note", error=f"{SAVED} ({name}), to be queued again"))
        wrong = requeue(self.number)
        if wrong:
            self._say(Event(kind="interrupted", error=f"saved, and cannot be queued again: {wrong}"))
        else:
            time.sleep(REQUEUED_WITHIN_S)  # SLURM ends it; to end by itself could look like a failure


if __name__ == "__main__":
    sys.exit(main())
