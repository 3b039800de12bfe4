"""Rate encoding: a pixel's intensity is its probability of a spike."""

from __future__ import annotations

import torch
from torch import Generator, Tensor

from bench.encoders.base import Encoder


class Rate(Encoder):
    """Independent Bernoulli spikes: at every timestep a pixel of intensity x (0..1) spikes with probability x.

    Black never spikes and white always does. Drawn on the CPU, so that every device sees the same spikes.
    Source: Diehl & Cook 2015, with Bernoulli steps in place of Poisson trains.
    """

    name = "rate"
    analog = False
    static = False
    normalised = False

    def encode(self, images: Tensor, timesteps: int, generator: Generator | None = None) -> Tensor:
        """Return spikes [T, N, C, H, W] for intensities [N, C, H, W]; `generator` lives on the CPU."""
        uniform = torch.rand(timesteps, *images.shape, generator=generator, pin_memory=images.is_cuda)
        return (uniform.to(images.device, non_blocking=True) < images).to(images.dtype)
