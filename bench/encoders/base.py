"""The encoder contract: how a static image becomes a sequence, and what kind of input it wants."""

from __future__ import annotations

from typing import ClassVar

from torch import Generator, Tensor


class Encoder:
    """Images [N, C, H, W] -> a sequence [T, N, C, H, W] in their dtype and on their device.

    The class attributes tell the others what to expect; the loader asks for `normalised`, counting for `analog`.
    """

    name: ClassVar[str]
    analog: ClassVar[bool]  # the sequence holds the images' own values; False: spikes, 0 or 1
    static: ClassVar[bool]  # every timestep is the same
    normalised: ClassVar[bool]  # wants images normalised by mean and std; False: intensities 0..1, where black is 0
    events: ClassVar[bool] = False  # wants the frames of event recordings [N, T, C, H, W] in place of images
    single: ClassVar[bool] = False  # makes sense with one timestep alone

    def encode(self, images: Tensor, timesteps: int, generator: Generator | None = None) -> Tensor:
        """Return the sequence; random encoders draw from `generator` (None: torch's global one)."""
        raise NotImplementedError
