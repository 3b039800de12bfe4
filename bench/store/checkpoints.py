"""Checkpoint files: sealed, written whole, and the one before kept beside."""

from __future__ import annotations

import io
import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch

from bench.errors import CorruptError, in_one_line
from bench.files.durable import seal, set_aside, unsealed
from bench.store.folder import older
from bench.store.newest import put_newest
from bench.train.keeper import FOREIGN

_log = logging.getLogger(__name__)


class Checkpoints:
    """Keeps the states of a run's training in the file `path` and, beside it, the one before.

    A file that is damaged, or not of this run, is set aside with a word in the log. before_save: may raise what keeps
    a state from being written.
    """

    def __init__(self, path: Path, before_save: Callable[[], None] = lambda: None) -> None:
        self.path, self._before_save = path, before_save
        self._yielded = path

    def load(self) -> Iterator[dict[str, Any]]:
        """Yield the states that can be read, newest first. Raises StoreError where a file cannot be set aside."""
        for path in (self.path, older(self.path)):
            if not path.exists():
                continue
            try:
                state = read_state(path)
            except CorruptError as error:
                _put_away(error)
                continue
            self._yielded = path
            yield state

    def refuse(self, error: Exception) -> None:
        """Set aside the file whose state was yielded last."""
        _put_away(CorruptError(self._yielded, f"is not a checkpoint of this run ({in_one_line(error)})"))

    def save(self, state: dict[str, Any]) -> None:
        """Write a state as `write_state` does, if `before_save` lets it."""
        self._before_save()
        write_state(self.path, state)


def _put_away(error: CorruptError) -> None:
    _log.warning("%s; kept as %s", error, set_aside(error.path).name)


def read_state(path: Path) -> dict[str, Any]:
    """Return what a checkpoint holds: tensors and plain data, never code. Raises CorruptError for any other file."""
    payload = unsealed(path)
    try:
        state = torch.load(io.BytesIO(payload), map_location="cpu", weights_only=True)
    except FOREIGN as error:
        raise CorruptError(path, f"is not a checkpoint ({in_one_line(error)})") from error
    if not isinstance(state, dict):
        raise CorruptError(path, f"is not a checkpoint (it holds a {type(state).__name__})")
    return state


def write_state(path: Path, state: dict[str, Any]) -> None:
    """Write a checkpoint whole or not at all; the one that was there becomes the older one.

    Raises StoreError where there is no room or no leave to write: both checkpoints are then as they were.
    """
    buffer = io.BytesIO()
    torch.save(state, buffer)
    put_newest(path, [seal(buffer.getbuffer()), buffer.getbuffer()])
