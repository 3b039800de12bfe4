"""Which timestep what passes a layer belongs to, so that counts can be told timestep by timestep.

A layer may see a whole sequence at once, [T, N, ...], [N, T, ...] or either folded, or one timestep [N, ...] a call.
"""

from __future__ import annotations

from torch import Tensor

from bench.measure.counting.batch import Batch


def by_timestep(x: Tensor, lead: int, batch: Batch) -> list[Tensor] | None:
    """Split what a layer sees into timesteps, each [N, ...], `lead` of its axes being samples and timesteps.

    None where these are not found in front, and where both are alike or in one axis and the network has exchanged axes
    or summed over the first, so that nobody knows which comes first, or whether there are timesteps. Where the network
    makes its own time, so many samples in a row are taken as one of its timesteps.
    """
    samples, timesteps, shape = batch.samples, batch.timesteps, tuple(x.shape)
    uncertain = _uncertain(batch)
    if lead == 2:
        if uncertain and samples == timesteps:
            return None
        if batch.layout == "NT" and shape[:2] == (samples, timesteps):
            return list(x.unbind(1))
        return list(x.unbind(0)) if shape[1] == samples and (batch.layout == "N" or shape[0] == timesteps) else None
    if lead != 1 or shape[0] % samples:
        return None
    if shape[0] == samples:
        return [x]
    if uncertain:
        return None
    if batch.layout == "N":
        return list(x.unflatten(0, (-1, samples)).unbind(0))
    if shape[0] != samples * timesteps:
        return None
    if batch.layout == "NT":
        return list(x.unflatten(0, (samples, timesteps)).unbind(1))
    return list(x.unflatten(0, (timesteps, samples)).unbind(0))


def rows_by_timestep(x: Tensor, batch: Batch) -> list[Tensor]:
    """Split the matrices of a product, [rows, M, K], into timesteps where they may be of several; heads are rows too.

    Where a network is called timestep by timestep with as many heads, a `Timeline` will show that they were not.
    """
    several = batch.layout == "TN" and not _uncertain(batch)
    several = several and x.dim() == 3 and x.shape[0] % (batch.timesteps * batch.samples) == 0
    return list(x.unflatten(0, (batch.timesteps, -1)).unbind(0)) if several else [x]


def _uncertain(batch: Batch) -> bool:
    return batch.tape is not None and (batch.tape.reordered or batch.tape.time_is_gone)


class Timeline:
    """The timesteps that one layer has seen, in each batch as many."""

    def __init__(self) -> None:
        self.length: int | None = None  # None until a batch has passed
        self._told = True  # in all calls so far
        self._batch, self._at = 0, 0

    def place(self, count: int | None, batch: Batch) -> int:
        """Return the first of the next `count` timesteps, None where they cannot be told: they are then all one."""
        if batch.number != self._batch:
            self._close()
            self._batch, self._at = batch.number, 0
        if count is None:
            self._told = False
            return 0
        begin = self._at
        self._at += count
        return begin

    def told(self, timesteps: float) -> bool:
        """Whether every sample has passed `timesteps` timesteps one by one, in every batch."""
        self._close()
        return self._told and self.length == timesteps

    def _close(self) -> None:
        if self._batch:
            self._told = self._told and self.length in (None, self._at)
            self.length = self._at
