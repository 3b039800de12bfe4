"""Every failure that a user can cause or cure, as one exception family that the command turns into one message."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from pathlib import Path

MOST_PROBLEMS = 100  # of a file that are told at once
MOST_COMPARED, LONGEST_COMPARED = 1000, 100  # words, and characters of one: comparing takes the square of these


class BenchError(Exception):
    """A failure with a message for the user: where, what is wrong, what is known or nearest, what to do.

    `exit_code` is what the command returns: 2 for bad input, 1 for work that could not be finished.
    """

    exit_code = 2


class SuiteError(BenchError):
    """A suite file that cannot be used. `problems` holds every one of them, each naming file and key path."""

    def __init__(self, problems: Sequence[str]) -> None:
        more = len(problems) - MOST_PROBLEMS
        rest = [f"and {more:,} more problems"] if more > 0 else []
        self.problems = (*problems[:MOST_PROBLEMS], *rest)
        super().__init__("\n".join(self.problems))


class UnknownNameError(BenchError):
    """A plug-in, table or label that does not exist."""

    def __init__(self, kind: str, name: str, known: Iterable[str]) -> None:
        self.kind, self.name, self.known = kind, name, sorted(known)
        super().__init__(f"unknown {kind} '{name:.60}'; {nearest(name, self.known)}")


class ParameterError(BenchError):
    """A plug-in parameter of the wrong name, type or value."""


class DataError(BenchError):
    """A data set that is missing, incomplete or unreadable."""


class RecordError(BenchError):
    """A records file that cannot be read."""


class NewerError(RecordError):
    """A record of a newer version than this program reads."""


class TableError(BenchError):
    """A cost table that cannot be read."""


class SlurmError(BenchError):
    """A file of SLURM resources that cannot be used, or a SLURM that is not there or refuses."""


class RunFailedError(BenchError):
    """A run that cannot go on: the loss is not finite, memory is exhausted."""

    exit_code = 1


class PortableError(BenchError):
    """A portable run where its arithmetic cannot be had: on a GPU, or in a process that uses more of the processor."""


class StoreError(BenchError):
    """The folder of runs cannot be written, or another process is using the run."""

    exit_code = 1


class BusyError(StoreError):
    """Another process is executing the run."""


class LostError(BusyError):
    """Another process has taken the run over: this one slept too long."""


class CorruptError(StoreError):
    """A file of the store that is not what was written there: cut short, changed, empty or foreign."""

    def __init__(self, path: Path, what: str) -> None:
        self.path, self.what = path, what
        super().__init__(f"{path}: corrupt: {what}")


def in_one_line(error: BaseException) -> str:
    """Return what a library's error says, without its long story."""
    return (str(error) or type(error).__name__).partition("\n")[0][:200]


def nearest(word: str, known: Sequence[str]) -> str:
    """Return the half-sentence that helps after a wrong word: the closest known word, or all known words.

    >>> nearest("optimzer", ["epochs", "optimizer"])
    "did you mean 'optimizer'?"
    """
    compared = [other for other in known[:MOST_COMPARED] if len(other) <= LONGEST_COMPARED]
    close = difflib.get_close_matches(word[:LONGEST_COMPARED], compared, n=1, cutoff=0.6)
    if close:
        return f"did you mean '{close[0]}'?"
    more = ", ..." if len(compared) < len(known) else ""
    return "known: " + (", ".join(compared) + more if known else "none")
