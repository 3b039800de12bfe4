"""Who keeps the states of a training, so that it can go on where it was; where and how is the keeper's affair."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pickle import UnpicklingError
from typing import Any, Protocol

State = dict[str, Any]  # tensors and plain data by name

# What torch and the parts of a training raise for a state that is none, or not of this training.
FOREIGN = (EOFError, RuntimeError, LookupError, TypeError, ValueError, AttributeError, UnpicklingError)


class Keeper(Protocol):
    """Keeps the newest states of one training."""

    def load(self) -> Iterator[State]:
        """Yield what is kept, newest first. Asked for the next one, whoever trains could not use the last."""
        ...

    def refuse(self, error: Exception) -> None:
        """Hear that the state yielded last does not fit this training, and why; the next one is tried."""
        ...

    def save(self, state: State) -> None:
        """Keep a state. May raise what ends the training: there is no room, or another process has taken it over."""
        ...


@dataclass(frozen=True)
class Saving:
    """Who keeps the states of a training, and when: at the end of every epoch, and as often as this within one."""

    keeper: Keeper
    every_s: float = 300.0
    before_test_s: float = 5.0  # since the last; a test on a CPU can take longer than whoever asks to stop will wait
