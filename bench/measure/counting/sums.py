"""Running sums, one for each timestep."""

from __future__ import annotations

import torch
from torch import Tensor


class Sums:
    """A running sum at each timestep, of tensors of one shape."""

    def __init__(self) -> None:
        self._parts: list[Tensor | None] = []

    def add(self, part: Tensor, at: int, repeats: int = 1) -> None:
        """Add to the sum at one timestep, or at so many from there on."""
        self._parts += [None] * (at + repeats - len(self._parts))
        for step in range(at, at + repeats):
            total = self._parts[step]
            if total is None:
                self._parts[step] = part.clone()
            elif total.dtype == part.dtype:
                total += part  # in its place: small tensors that come and go among large ones leave holes in memory
            else:
                self._parts[step] = total + part

    def __len__(self) -> int:
        return len(self._parts)

    def scale(self, factor: int) -> None:
        """Multiply all by a whole number."""
        self._parts = [None if part is None else part * factor for part in self._parts]

    def total(self, length: int) -> Tensor | None:
        """Return [length, ...], zero where nothing was added; None where nothing was at all."""
        blank = next((torch.zeros_like(part) for part in self._parts if part is not None), None)
        if blank is None:
            return None
        parts = [*self._parts, *[None] * (length - len(self._parts))]
        return torch.stack([blank if part is None else part for part in parts])
