"""Latency encoding: the brighter a pixel, the earlier its only spike."""

from __future__ import annotations

import torch
from torch import Generator, Tensor

from bench.encoders.base import Encoder


class Latency(Encoder):
    """Time to first spike: a pixel of intensity x (0..1) spikes once, at t = round((1 - x) (T - 1)); black never does.

    Halves round to the even timestep. Source: Thorpe et al. 2001, "Spike-based strategies for rapid processing".
    """

    name = "latency"
    analog = False
    static = False
    normalised = False

    def encode(self, images: Tensor, timesteps: int, generator: Generator | None = None) -> Tensor:
        """Return spikes [T, N, C, H, W] for intensities [N, C, H, W]; nothing is random."""
        due = ((1 - images) * (timesteps - 1)).round()
        now = torch.arange(timesteps, device=images.device, dtype=images.dtype).view(-1, *[1] * images.ndim)
        return ((now == due) & (images > 0)).to(images.dtype)
