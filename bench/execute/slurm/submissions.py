"""Submissions on the shared disk: which runs were handed to SLURM in one job array, and what they have said since."""

from __future__ import annotations

import logging
import secrets
import shutil
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from bench.errors import StoreError
from bench.execute.messages import Event, Job
from bench.execute.processes import tail
from bench.execute.slurm.commands import ENDED, GONE, states
from bench.files.durable import atomic_write
from bench.store.folder import RunFolder

SAVED = "saved its checkpoint"  # what a task says that has done so and is to go on

_log = logging.getLogger(__name__)

FOLDER = ".slurm"  # in that of a suite's runs


@dataclass(frozen=True)
class Submission:
    """One job array: `runs/<suite>/.slurm/<id>/`, with a line for each task; `array` holds SLURM's number of it."""

    path: Path

    @classmethod
    def of(cls, jobs: Sequence[Job]) -> Submission:
        """Write a new one for jobs of one suite. Raises StoreError when that is impossible."""
        name = f"{time.strftime('%Y%m%dT%H%M%S', time.gmtime())}-{secrets.token_hex(3)}"
        submission = cls(Path(jobs[0].folder).parent / FOLDER / name)
        atomic_write(submission.path / "jobs.jsonl", "".join(job.model_dump_json() + "\n" for job in jobs))
        return submission

    def jobs(self) -> list[Job]:
        """Return its jobs in the order of its tasks. Raises StoreError where the file cannot be read."""
        path = self.path / "jobs.jsonl"
        try:
            return [Job.model_validate_json(line) for line in path.read_text("utf-8").splitlines()]
        except OSError as error:
            raise StoreError(f"{path}: cannot be read: {error.strerror}") from None
        except ValueError:
            raise StoreError(f"{path}: is not what was written there, or of another version") from None

    @property
    def array(self) -> str:
        """SLURM's number of the array; empty where it was never submitted."""
        try:
            return (self.path / "array").read_text("utf-8").strip()
        except OSError:
            return ""

    def numbered(self, array: str) -> None:
        """Keep SLURM's number of the array."""
        atomic_write(self.path / "array", array + "\n")

    def events(self, job: Job) -> Path:
        """Return the file, in the run's folder, to which its task appends what it says."""
        return Path(job.folder) / f"slurm.{self.path.name}.events"

    def stop_mark(self, index: int) -> Path:
        """Return the file that tells a task to end and not to be queued again."""
        return self.path / f"{index}.stop"

    def printed(self, index: int) -> Path:
        """Return the file of what a task, or SLURM, prints before and after the run's own log is open."""
        return self.path / f"{index}.out"


@dataclass
class Task:
    """One run of a submission, as whoever follows it sees it."""

    submission: Submission
    index: int
    job: Job
    array: str
    read_bytes: int = 0  # of its events
    said_last: str = ""  # of notes and ends
    stopped: bool = False  # by whoever follows it
    looks_after_end: int = 0  # at SLURM's queue

    @property
    def number(self) -> str:
        """What SLURM calls it."""
        return f"{self.array}_{self.index}"

    @property
    def is_to_end(self) -> bool:
        """Whether a command has asked it to end."""
        return self.submission.stop_mark(self.index).exists()

    def news(self) -> list[Event]:
        """Return what it has said since the last time: of progress, the latest alone."""
        try:
            with self.submission.events(self.job).open("rb") as handle:
                handle.seek(self.read_bytes)
                read = handle.read()
        except OSError:  # it has not begun
            return []
        whole = read[: read.rfind(b"\n") + 1]
        self.read_bytes += len(whole)
        heard: list[Event] = []
        for line in whole.splitlines():
            try:
                event = Event.model_validate_json(line)
            except ValidationError:  # of a disk that was full for a while
                continue
            if heard and heard[-1].kind == event.kind == "progress":
                heard.pop()
            heard.append(event)
            if event.final:
                break
        self.said_last = heard[-1].error if heard else self.said_last
        return heard

    def final(self) -> Event | None:
        """Return its last word, if it was said, whatever was read."""
        return next((event for event in Task(self.submission, self.index, self.job, "").news() if event.final), None)

    def died(self, state: str) -> Event:
        """Say why it has ended without a word, in a state of SLURM's."""
        if self.stopped or self.is_to_end:
            return Event(kind="interrupted", error="ended before it could save")
        if state == GONE and self.said_last.startswith(SAVED):
            return Event(kind="interrupted", error=f"{self.said_last}; SLURM does not have it any more")
        if state == "CANCELLED":
            return Event(kind="interrupted", error=f"cancelled in SLURM, job {self.number}")
        log, out = tail(RunFolder(Path(self.job.folder)).log), tail(self.submission.printed(self.index))
        printed = "\n".join(filter(None, (log, out)))
        lines = [line.strip() for line in printed.splitlines() if line.strip()]
        known = {
            "TIMEOUT": "stopped at its time limit before it had saved; ask for a longer lead_s",
            "OUT_OF_MEMORY": "it took more memory than it had asked for; ask for more mem",
            "NODE_FAIL": "its node failed",
            "PREEMPTED": "it had to make room for another job, and SLURM does not queue it again",
        }
        why = known.get(state) or (lines[-1] if lines else f"{state.lower()}, and printed nothing")
        return Event(kind="failed", error=f"SLURM job {self.number}: {why}", printed=printed)


def submissions(suite_folder: Path) -> list[Submission]:
    """Return what was submitted of a suite, the oldest first."""
    found = [Submission(path) for path in sorted((suite_folder / FOLDER).glob("*")) if path.is_dir()]
    return [submission for submission in found if submission.array]


def tasks(suite_folder: Path) -> list[Task]:
    """Return the latest task of each run that was submitted, in the order of submission."""
    return list({task.job.key: task for task in _all_tasks(suite_folder)}.values())


def _all_tasks(suite_folder: Path) -> Iterator[Task]:
    for submission in submissions(suite_folder):
        array = submission.array
        try:
            jobs = submission.jobs()
        except StoreError as error:  # of another version, perhaps, whose command follows it
            _log.warning("%s", error)
            continue
        for index, job in enumerate(jobs):
            yield Task(submission, index, job, array)


def living(suite_folder: Path) -> dict[str, tuple[Task, str]]:
    """Return the tasks that SLURM has and that have not said their last word, with its state of each, by key.

    SLURM is asked where something was submitted, and not else; where it does not answer, none is known.
    """
    known = tasks(suite_folder)
    seen = states(task.array for task in known) or {}
    found = {task.job.key: (task, seen.get(task.number, GONE)) for task in known}
    return {
        key: (task, state)
        for key, (task, state) in found.items()
        if state != GONE and state not in ENDED and task.final() is None
    }


def in_words(suite_folder: Path) -> dict[str, str]:
    """Say where SLURM has runs of a suite, by the key of the run: running, queued, or queued again."""
    words = {}
    for task, state in living(suite_folder).values():
        begun = task.submission.events(task.job).exists()
        what = ("requeued" if begun else "queued") if state in ("PENDING", "REQUEUED") else "running"
        what = "held" if state in ("REQUEUE_HOLD", "SPECIAL_EXIT", "SUSPENDED", "STOPPED") else what
        words[task.job.spec.key] = f"{what} in SLURM, job {task.number}"
    return words


def forget_ended(suite_folder: Path) -> None:
    """Remove the submissions of which SLURM has nothing any more."""
    for submission in submissions(suite_folder):
        array = submission.array
        seen = states([array])
        if seen is not None and all(state in ENDED for state in seen.values()):
            shutil.rmtree(submission.path, ignore_errors=True)
