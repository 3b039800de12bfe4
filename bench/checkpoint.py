"""A checkpoint: all that training needs to go on from where it was."""

from __future__ import annotations

import os
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from torch import Tensor

from bench.errors import StoreError


class Resumable:
    """Parameters, optimiser, schedule, scaler, sums, history and random numbers of a training.

    parts: by name, what has a state_dict.  history: an object whose attributes are plain data.  sums: [3] on `device`.
    """

    def __init__(self, parts: dict[str, Any], history: Any, sums: Tensor, device: torch.device) -> None:
        self.parts, self.history, self.sums, self.device = parts, history, sums, device

    def save(self, path: Path, epoch: int, step: int, seconds: float) -> None:
        """Write the state to `path` whole or not at all, `seconds` more of training in it. Raises StoreError."""
        self.history.train_s += seconds
        state: dict[str, Any] = {name: part.state_dict() for name, part in self.parts.items()}
        state |= {"epoch": epoch, "step": step, "sums": self.sums, "history": vars(self.history)}
        state["cpu_rng"] = torch.get_rng_state()
        if self.device.type == "cuda":
            state["cuda_rng"] = torch.cuda.get_rng_state(self.device)
        partial = path.with_suffix(".part")
        try:
            with partial.open("wb") as handle:
                torch.save(state, handle)
                handle.flush()
                os.fsync(handle.fileno())
            os.replace(partial, path)
        except (OSError, RuntimeError) as error:  # torch reports a full disk as a RuntimeError of its zip writer
            partial.unlink(missing_ok=True)
            reason = str(error).partition("\n")[0]
            raise StoreError(f"{path}: cannot be written: {reason}; the older checkpoint is kept") from error

    def load(self, path: Path) -> tuple[int, int]:
        """Go back to the state at `path` and return its epoch and step. Raises StoreError when it is no such state."""
        try:
            state = torch.load(path, map_location="cpu", weights_only=True)
            for name, part in self.parts.items():
                part.load_state_dict(state[name])
            self.sums.copy_(state["sums"])
            vars(self.history).update(state["history"])
            torch.set_rng_state(state["cpu_rng"])
            if "cuda_rng" in state and self.device.type == "cuda":
                torch.cuda.set_rng_state(state["cuda_rng"], self.device)
            return state["epoch"], state["step"]
        except (OSError, EOFError, RuntimeError, LookupError, TypeError, ValueError, UnpicklingError) as error:
            raise StoreError(
                f"{path}: damaged, or not a checkpoint of this run; delete it, or use --force, to train from the start"
            ) from error
