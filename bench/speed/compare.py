"""Subjects side by side: one process each, only one at work at a time, in turns A B C, A B C ... No torch."""

from __future__ import annotations

import contextlib
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import IO, TypeVar

from pydantic import BaseModel, ValidationError

from bench.errors import RunFailedError
from bench.execute.processes import last_words, start_worker, worker_environment
from bench.speed.job import Block, End, Measured, Subject, Warm

Answer = TypeVar("Answer", bound=BaseModel)


@dataclass(frozen=True)
class Left:
    """A subject that could not be measured, and why."""

    subject: Subject
    why: str


class Results:
    """What was measured so far, and what could not be."""

    def __init__(self) -> None:
        self.rows: list[Measured] = []
        self.left: list[Left] = []

    @property
    def measured(self) -> list[Measured]:
        """The subjects that have taken a turn."""
        return [row for row in self.rows if row.blocks]


def measure(
    subjects: Sequence[Subject],
    repeats: int,
    say: Callable[[str], None] = lambda line: None,
    keep: Callable[[Results], None] = lambda results: None,
) -> Results:
    """Measure subjects in `repeats` interleaved turns; `say` hears how far it is.

    `keep` gets what was measured so far whenever there is more, so that whatever ends the measuring loses nothing.
    """
    results = Results()
    left = results.left
    with contextlib.ExitStack() as stack:
        rows: list[_Row] = []
        for subject in subjects:
            process = stack.enter_context(_started(subject))
            with _leaving(left, subject):
                row = _Row(process, Measured(subject, process.answer(Warm), []))
                rows.append(row)
                results.rows.append(row.measured)
                say(f"{subject.label} ({subject.by}): ready after {row.measured.warm.start_s:.1f} s")
        for turn in range(repeats):
            for row in rows:
                with _leaving(left, row.measured.subject):
                    row.measured.blocks.append(row.process.turn())
                    keep(results)
            rows = [row for row in rows if len(row.measured.blocks) == turn + 1]
            say(f"turn {turn + 1} of {repeats}")
        for row in rows:
            with _leaving(left, row.measured.subject):
                end = row.process.end()
                index = results.rows.index(row.measured)
                results.rows[index] = replace(row.measured, end=end)
                keep(results)
    keep(results)
    return results


@contextlib.contextmanager
def _leaving(left: list[Left], subject: Subject) -> Iterator[None]:
    """Leave out a subject that fails, and go on with the others."""
    try:
        yield
    except RunFailedError as error:
        left.append(Left(subject, str(error)))


class SubjectProcess:
    """The process of a subject that takes its turns. Raises RunFailedError, with its last words, where it has ended."""

    def __init__(self, subject: Subject, process: subprocess.Popen[str], log: IO[str]) -> None:
        self.subject, self._process, self._log = subject, process, log

    def turn(self) -> Block:
        """Have it take a block of steps."""
        assert self._process.stdin
        with contextlib.suppress(BrokenPipeError):  # it has ended, and the answer says so
            self._process.stdin.write("turn\n")
            self._process.stdin.flush()
        return self.answer(Block)

    def end(self) -> End:
        """Let it end."""
        assert self._process.stdin
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()
        return self.answer(End)

    def kill(self) -> None:
        """End it as the system would."""
        self._process.kill()

    def answer(self, kind: type[Answer]) -> Answer:
        """Wait for its next word."""
        assert self._process.stdout
        line = self._process.stdout.readline()
        try:
            return kind.model_validate_json(line)
        except ValidationError:
            why = line.strip().removeprefix("error: ")
            if not why:
                code = self._process.wait()
                self._log.seek(0)
                why = last_words(code, self._log.read())
            raise RunFailedError(f"{self.subject.label} ({self.subject.by}): {why}") from None


@dataclass
class _Row:
    process: SubjectProcess
    measured: Measured


@contextlib.contextmanager
def _started(subject: Subject) -> Iterator[SubjectProcess]:
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as log:
        process = start_worker(
            "bench.speed.worker", worker_environment(subject.device, portable=subject.spec.train.portable), log
        )
        assert process.stdin and process.stdout
        try:
            process.stdin.write(subject.model_dump_json() + "\n")
            process.stdin.flush()
            yield SubjectProcess(subject, process, log)
        finally:
            process.kill()
            process.wait()
            process.stdout.close()
            with contextlib.suppress(BrokenPipeError):
                process.stdin.close()
