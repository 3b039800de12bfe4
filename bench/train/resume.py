"""All that training needs to go on from where it was."""

from __future__ import annotations

import copy
import logging
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from torch import Tensor

from bench.errors import CorruptError
from bench.files.durable import set_aside
from bench.store.checkpoints import older, read_state, write_state

_log = logging.getLogger(__name__)

# What torch and the parts raise for a state that is none, or not of this run.
_FOREIGN = (EOFError, RuntimeError, LookupError, TypeError, ValueError, AttributeError, UnpicklingError)


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
