"""Checkpoint files: sealed, written whole, and the one before kept beside."""

from __future__ import annotations

import contextlib
import io
import os
import tempfile
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch

from bench.errors import CorruptError, StoreError
from bench.files.durable import seal, sync_folder, unsealed

# What torch and the parts raise for a state that is none, or not of this run.
_FOREIGN = (EOFError, RuntimeError, LookupError, TypeError, ValueError, AttributeError, UnpicklingError)


def _words(error: BaseException) -> str:
    return (str(error) or type(error).__name__).partition("\n")[0][:200]


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
