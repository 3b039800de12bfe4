"""What an engine is: it starts jobs somewhere, hears what they say, and stops them. The contract of `engines/`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from bench.execute.messages import Event, Job
from bench.execute.plan import Settings
from bench.plugins import registry


class Executor(Protocol):
    """A place that executes jobs, each in a process of its own that calls `work(job, say, stop)`.

    An engine is one file in `engines/` with a class that has a `name`; its constructor may take `_settings`, those of
    the command. It knows nothing of queues, records or failures: that is the scheduler's.
    """

    @property
    def slots(self) -> int:
        """How many jobs it takes at once, now: nodes come and go."""
        ...

    def start(self, job: Job) -> None:
        """Start a job, whose key no other running job has. Raises StoreError when that is impossible."""

    def hear(self, patience_s: float | None) -> tuple[str, Event] | None:
        """Return the next event with the key of its job; None where there is none within `patience_s` seconds.

        None as patience waits for ever. A job ends with exactly one final event, which comes when its process is gone.
        The engine makes it for one that died without a word: "failed", with what it `printed` last.
        """

    def stop(self, grace_s: float) -> set[str]:
        """Ask all jobs to save and end, wait for that, and return the keys of those that were ended by force.

        By force after `grace_s` seconds, or at once on a Ctrl-C meanwhile; their final event is "interrupted". All last
        words can be heard without waiting afterwards.
        """


@runtime_checkable
class Remembering(Executor, Protocol):
    """An engine whose jobs go on without the command that started them, and that finds them again."""

    most_restarts: int  # of a run that is stopped there though nobody asked here

    def called(self, job: Job) -> str:
        """Return what the job is called there, where an earlier command has started it: `start` then follows that one.

        Empty where it is not there.
        """
        ...

    def submit(self) -> Sequence[str]:
        """Hand over what was started now, and return what that is called there."""
        ...


def open_engine(settings: Settings) -> Executor:
    """Return the engine that the settings name, which has started nothing yet.

    Raises UnknownNameError for a name that is none, BenchError for a device that is not there.
    """
    engine: Executor = registry.create("engine", settings.engine, {"_settings": settings})
    return engine
