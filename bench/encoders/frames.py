"""Event frames as they are: every timestep is a slice of the recording."""

from __future__ import annotations

from torch import Generator, Tensor

from bench.encoders.base import Encoder


class Frames(Encoder):
    """The T slices of an event recording, one a timestep; for event data sets.

    Values are event counts, or 0 and 1 where the data set is binary. A network that does not spike sees the same T
    frames, and its outputs are averaged.
    """

    name = "frames"
    analog = False
    static = False
    normalised = False
    events = True

    def encode(self, images: Tensor, timesteps: int, generator: Generator | None = None) -> Tensor:
        """Return recordings [N, T, C, H, W] as [T, N, C, H, W], a view. Raises ValueError for another T."""
        if images.shape[1] != timesteps:
            raise ValueError(f"recordings of {images.shape[1]} slices do not fill {timesteps} timesteps")
        return images.transpose(0, 1)
