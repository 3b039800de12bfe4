"""All that training needs to go on from where it was."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor

from bench.train.keeper import FOREIGN, Keeper, State


class Resumable:
    """Parameters, optimiser, schedule, scaler, sums, history and random numbers of a training.

    parts: by name, what has a state_dict.  history: an object whose attributes are plain data.  sums: [3] on `device`.
    """

    def __init__(self, parts: dict[str, Any], history: Any, sums: Tensor, device: torch.device) -> None:
        self.parts, self.history, self.sums, self.device = parts, history, sums, device

    def save(self, keeper: Keeper, epoch: int, step: int) -> None:
        """Have the state before `step` of `epoch` kept. Raises what the keeper does."""
        state: State = {name: part.state_dict() for name, part in self.parts.items()}
        state |= {"epoch": epoch, "step": step, "sums": self.sums, "history": vars(self.history)}
        state["cpu_rng"] = torch.get_rng_state()
        if self.device.type == "cuda":
            state["cuda_rng"] = torch.cuda.get_rng_state(self.device)
        keeper.save(state)

    def load(self, keeper: Keeper) -> tuple[int, int]:
        """Go back to the newest state that fits and return its epoch and step; (0, 0) where there is none.

        One that does not fit changes nothing: the keeper is told, and an older one is tried.
        """
        start: State | None = None
        for state in keeper.load():
            start = self._start() if start is None else start
            try:
                return self._take(state)
            except FOREIGN as error:
                self._go_back(start)
                keeper.refuse(error)
        return 0, 0

    def _take(self, state: State) -> tuple[int, int]:
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
        vars(self.history).update(history)
        return epoch, step

    def _start(self) -> State:
        """All that a state which turns out to be foreign may have changed."""
        parts = {name: copy.deepcopy(part.state_dict()) for name, part in self.parts.items()}
        return {"parts": parts, "sums": self.sums.clone(), "cpu_rng": torch.get_rng_state()}

    def _go_back(self, start: State) -> None:
        for name, part in self.parts.items():
            part.load_state_dict(start["parts"][name])
        torch.set_rng_state(start["cpu_rng"])
        self.sums.copy_(start["sums"])
