"""The engine of a SLURM cluster: the runs of a suite are one job array, and a shared disk carries what they say."""

from __future__ import annotations

import logging
import shlex
import sys
import time
from collections import deque
from itertools import groupby
from pathlib import Path

from bench.errors import StoreError
from bench.execute.interrupts import Terminated, interrupts_deferred
from bench.execute.messages import Event, Job
from bench.execute.plan import Settings
from bench.execute.slurm.commands import ENDED, GONE, cancel, check_commands, states, submit
from bench.execute.slurm.resources import read_resources
from bench.execute.slurm.submissions import Submission, Task, forget_ended, living
from bench.files.durable import atomic_write, make_folder
from bench.store.folder import RunFolder

LARGEST_ARRAY = 1000  # SLURM's own default is 1001
ASKED_AGAIN_S = 2.0  # to save and end
LOOKS_AFTER_END = 2  # at a job that has ended, before its last word is given up: the disk may be slower

_log = logging.getLogger(__name__)


class Slurm:
    """Jobs of a SLURM cluster, which has this folder and the data on a shared disk; told `slurm:FILE`, by its TOML."""

    name = "slurm"
    slots = 10_000  # SLURM has the queue
    most_restarts = 0  # what was cancelled in SLURM is not handed to it again

    def __init__(self, *, poll_s: float = 0.5, look_s: float = 5.0, _settings: Settings | None = None) -> None:
        """poll_s: between looks at what the runs have said.  look_s: between looks at SLURM's queue."""
        self._resources = read_resources((_settings or Settings()).where)
        check_commands()
        self._poll_s, self._look_s = poll_s, look_s
        self._looked = time.monotonic()
        self._answered = True
        self._collected: list[Job] = []
        self._tasks: dict[str, Task] = {}
        self._known: dict[Path, dict[str, Task]] = {}  # by folder of a suite: what SLURM had before this command
        self._said: deque[tuple[str, Event]] = deque()

    def called(self, job: Job) -> str:
        """Return SLURM's number of the job where it has the run, of an earlier command, and nobody has ended that."""
        folder = Path(job.folder).parent
        if folder not in self._known:
            self._known[folder] = {key: task for key, (task, _) in living(folder).items() if not task.is_to_end}
        task = self._known[folder].get(job.key)
        return "" if task is None else f"SLURM job {task.number}"

    def start(self, job: Job) -> None:
        """Collect a job, which is submitted with the others when these are heard; follow one that SLURM has."""
        if self.called(job):
            self.follow(self._known[Path(job.folder).parent].pop(job.key))
        else:
            RunFolder(Path(job.folder)).make()
            self._collected.append(job)

    def follow(self, task: Task) -> None:
        """Hear a job that was submitted before."""
        self._tasks[task.job.key] = task

    def submit(self) -> list[str]:
        """Submit what was collected, an array for each suite, and return SLURM's numbers of the arrays.

        Raises SlurmError where SLURM refuses, StoreError where nothing can be written.
        """
        arrays = []
        for folder, jobs in groupby(sorted(self._collected, key=_suite_folder), key=_suite_folder):
            forget_ended(folder)
            whole = list(jobs)
            for begin in range(0, len(whole), LARGEST_ARRAY):
                with interrupts_deferred():  # what is submitted is known
                    arrays.append(self._submit(whole[begin : begin + LARGEST_ARRAY]))
        return arrays

    def _submit(self, jobs: list[Job]) -> str:
        for job in jobs:
            for old in Path(job.folder).glob("slurm.*.events"):
                old.unlink(missing_ok=True)
        submission = Submission.of(jobs)
        path = submission.path
        some = "" if self._resources.at_once is None else f"%{self._resources.at_once}"
        words = [
            f"--array=0-{len(jobs) - 1}{some}",
            f"--job-name=spikebench-{jobs[0].suite}",
            f"--chdir={Path.cwd()}",
            f"--output={str(path.absolute()).replace('%', '%%')}/%a.out",
            "--open-mode=append",
            "--requeue",
            *self._resources.words(),
        ]
        program = shlex.join([sys.executable, "-m", "bench.execute.slurm.task", str(path)])
        array = submit(f"#!/bin/sh\ntrap '' USR1  # until the program hears it\nexec {program}\n", words)
        submission.numbered(array)
        for index, job in enumerate(jobs):
            self._collected.remove(job)
            self.follow(Task(submission, index, job, array))
        return array

    def hear(self, patience_s: float | None) -> tuple[str, Event] | None:
        """Return what a run has written since, or what SLURM says of one that has ended without a word."""
        deadline = None if patience_s is None else time.monotonic() + patience_s
        self.submit()
        while not self._said:
            self._read()
            if time.monotonic() - self._looked >= self._look_s:
                self._look()
            left_s = self._poll_s if deadline is None else deadline - time.monotonic()
            if self._said or left_s <= 0.0:
                break
            time.sleep(min(self._poll_s, left_s))
        return self._said.popleft() if self._said else None

    def _read(self) -> None:
        """Take in what the runs have written; whoever has said the last word is followed no more."""
        for key, task in list(self._tasks.items()):
            for event in task.news():
                self._said.append((key, event))
                if event.final:
                    del self._tasks[key]

    def _look(self) -> dict[str, str] | None:
        """Ask SLURM for its states of the jobs, and give those up that have ended; None where it does not answer."""
        seen = states(task.array for task in self._tasks.values())
        self._looked = time.monotonic()
        if seen is None:
            if self._answered:
                _log.warning("squeue: no answer from SLURM; asked again from time to time")
            self._answered = False
            return None
        self._answered = True
        self._read()  # what was said before it ended
        for key, task in list(self._tasks.items()):
            state = seen.get(task.number, GONE)
            task.looks_after_end = task.looks_after_end + 1 if state in ENDED or state == GONE else 0
            if task.looks_after_end >= LOOKS_AFTER_END:
                self._said.append((key, task.died(state)))
                del self._tasks[key]
        return seen

    def stop(self, grace_s: float) -> set[str]:
        """Mark all runs as stopped, cancel those that wait and ask the others to save; cancel these in the end too."""
        self._said.extend((job.key, Event(kind="interrupted")) for job in self._collected)
        self._collected.clear()
        self._read()
        for task in self._tasks.values():
            task.stopped = True
            _mark(task)
        deadline = time.monotonic() + grace_s
        while self._tasks:
            try:
                self._ask_to_end()
                if time.monotonic() >= deadline:
                    break
                time.sleep(min(ASKED_AGAIN_S, self._look_s))
            except Terminated:
                continue
            except KeyboardInterrupt:
                break
        killed = set(self._tasks)
        cancel([task.number for task in self._tasks.values()])
        for key in killed:
            self._said.append((key, Event(kind="interrupted", error="killed before it could save")))
        self._tasks.clear()
        return killed

    def _ask_to_end(self) -> None:
        """Cancel what waits, and send SIGTERM to what runs: to its script, which is the program."""
        seen = self._look() or {}
        by_state: dict[str, list[str]] = {}
        for task in self._tasks.values():
            by_state.setdefault(seen.get(task.number, GONE), []).append(task.number)
        cancel(by_state.pop("RUNNING", []), "--batch", "--signal=TERM")
        cancel([number for state, some in by_state.items() if state not in (*ENDED, GONE) for number in some])


def _suite_folder(job: Job) -> Path:
    return Path(job.folder).parent


def _mark(task: Task) -> None:
    try:
        make_folder(task.submission.path)
        atomic_write(task.submission.stop_mark(task.index), "")
    except (OSError, StoreError) as error:  # a full disk: SLURM is asked all the same
        _log.warning("%s", error)
