"""Checkpoints: all that training needs to go on from where it was, sealed, and the one before kept beside it."""

from __future__ import annotations

import contextlib
import copy
import io
import logging
import os
import tempfile
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from torch import Tensor

from bench.durable import seal, set_aside, sync_folder, unsealed
from bench.errors import CorruptError, StoreError

_log = logging.getLogger(__name__)
# What torch and the parts raise for a state that is none, or not of this run.
_FOREIGN = (EOFError, RuntimeError, LookupError, TypeError, ValueError, AttributeError, UnpicklingError)


def older(path: Path) -> Path:
    """Return where the checkpoint before that at `path` is kept."""
    return path.with_name(f"{path.stem}.older{path.suffix}")


def read_state(path: Path) -> dict[str, Any]:
    """Return what a checkpoint holds: tensors and plain data, never code. Raises CorruptError for any other file."""
    payload = unsealed(path)
    try:
        state = torch.load(io.BytesIO(payload), map_location="cpu", weights_only=True)
    except _FOREIGN as error:
        raise CorruptError(path, f"is not a checkpoint ({_words(error)})") from error
    if not isinstance(state, dict):
        raise CorruptError(path, f"is not a checkpoint (it holds a {type(state).__name__})")
    return state


def write_state(path: Path, state: dict[str, Any]) -> None:
    """Write a checkpoint whole or not at all; the one that was there becomes the older one.

    Raises StoreError where there is no room or no leave to write: both checkpoints are then as they were.
    """
    partial: str | None = None
    try:
        buffer = io.BytesIO()
        torch.save(state, buffer)
        descriptor, partial = tempfile.mkstemp(dir=path.parent, prefix=path.name + ".", suffix=".part")
        with os.fdopen(descriptor, "wb") as handle:
            handle.write(seal(buffer.getbuffer()))
            handle.write(buffer.getbuffer())
            handle.flush()
            os.fsync(handle.fileno())
        os.chmod(partial, 0o644)
        if path.exists():
            os.replace(path, older(path))
        os.replace(partial, path)
        sync_folder(path.parent)
    except OSError as error:
        if partial is not None:
            with contextlib.suppress(OSError):
                os.unlink(partial)
        reason = error.strerror or str(error)
        raise StoreError(f"{path}: cannot be written: {reason}; the older checkpoint is kept") from error


class Resumable:
    """Parameters, optimiser, schedule, scaler, sums, history and random numbers of a training.

    parts: by name, what has a state_dict.  history: an object whose attributes are plain data.  sums: [3] on `device`.
    """

    def __init__(self, parts: dict[str, Any], history: Any, sums: Tensor, device: torch.device) -> None:
        self.parts, self.history, self.sums, self.device = parts, history, sums, device

    def save(self, path: Path, epoch: int, step: int, seconds: float) -> None:
        """Write the state to `path`, `seconds` more of training in it. Raises StoreError as `write_state`."""
        self.history.train_s += seconds
        state: dict[str, Any] = {name: part.state_dict() for name, part in self.parts.items()}
        state |= {"epoch": epoch, "step": step, "sums": self.sums, "history": vars(self.history)}
        state["cpu_rng"] = torch.get_rng_state()
        if self.device.type == "cuda":
            state["cuda_rng"] = torch.cuda.get_rng_state(self.device)
        write_state(path, state)

    def load(self, path: Path) -> tuple[int, int]:
        """Go back to the newest good state and return its epoch and step; (0, 0) where there is none.

        A damaged checkpoint is set aside, with a word in the log, and the older one is tried. Raises StoreError where
        that cannot be done.
        """
        found = [candidate for candidate in (path, older(path)) if candidate.exists()]
        if not found:
            return 0, 0
        start = {name: copy.deepcopy(part.state_dict()) for name, part in self.parts.items()}
        random, sums = torch.get_rng_state(), self.sums.clone()
        for candidate in found:
            try:
                return self._take(candidate, read_state(candidate))
            except CorruptError as error:
                for name, part in self.parts.items():
                    part.load_state_dict(start[name])
                torch.set_rng_state(random)
                self.sums.copy_(sums)
                _log.warning("%s; kept as %s", error, set_aside(candidate).name)
        return 0, 0

    def _take(self, path: Path, state: dict[str, Any]) -> tuple[int, int]:
        try:
            epoch, step = int(state["epoch"]), int(state["step"])
            sums, history, rng = state["sums"], dict(state["history"]), state["cpu_rng"]
            for name, part in self.parts.items():
                part.load_state_dict(state[name])
            if set(history) != set(vars(self.history)):
                raise ValueError("its history is of another version")
            self.sums.copy_(sums)
            torch.set_rng_state(rng)
            if "cuda_rng" in state and self.device.type == "cuda":
                torch.cuda.set_rng_state(state["cuda_rng"], self.device)
        except _FOREIGN as error:
            raise CorruptError(path, f"is not a checkpoint of this run ({_words(error)})") from error
        vars(self.history).update(history)
        return epoch, step


def _words(error: BaseException) -> str:
    return (str(error) or type(error).__name__).partition("\n")[0][:200]
