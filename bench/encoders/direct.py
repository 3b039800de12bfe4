"""Direct encoding: the image itself at every timestep."""

from __future__ import annotations

from torch import Generator, Tensor

from bench.encoders.base import Encoder
from bench.sequences import repeat


class Direct(Encoder):
    """The normalised image at every timestep, so that the first layer learns the code.

    The sequence is a view with stride 0 over T: one image is stored, and the first layer can be computed once.
    Source: Rueckauer et al. 2017 ("analog input"); Wu et al. 2019 ("encoding layer").
    """

    name = "direct"
    analog = True
    static = True
    normalised = True

    def encode(self, images: Tensor, timesteps: int, generator: Generator | None = None) -> Tensor:
        """Return images [N, C, H, W] expanded to [T, N, C, H, W] without a copy."""
        return repeat(images, timesteps)
