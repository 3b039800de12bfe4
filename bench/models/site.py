"""The place that a network is built for: what comes in and goes out, and the neurons and norms that are put there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import nn

from bench.models.layers import BatchNorm1d, BatchNorm2d


@dataclass(frozen=True)
class Site:
    """What a model does not choose itself: the ends of the network, its neuron and how batch norm is done."""

    in_channels: int
    classes: int
    image_size: tuple[int, int]  # pixels, (height, width)
    neuron: Callable[[int], nn.Module]  # makes a fresh one for a layer of so many channels
    batch_norm: str = "folded"  # or "per-step"; see `bench.models.layers`

    def norm(self, channels: int) -> BatchNorm2d:
        """Make the batch norm of so many channels, for x [T, N, C, H, W]."""
        return BatchNorm2d(channels, statistics=self.batch_norm)

    def feature_norm(self, features: int) -> BatchNorm1d:
        """Make the batch norm of so many features, for x [T, N, F]."""
        return BatchNorm1d(features, statistics=self.batch_norm)
