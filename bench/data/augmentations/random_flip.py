"""Random mirror images."""

from __future__ import annotations

import torch
from torch import Generator, Tensor

from bench.data.augmentations.base import ImageAugmentation
from bench.data.augmentations.draws import below


class RandomFlip(ImageAugmentation):
    """Mirror each image left to right with probability one half."""

    name = "random-flip"
    stored = True
    order = 20

    def augment(self, images: Tensor, generator: Generator) -> Tensor:
        """Return images [N, C, H, W], some of them mirrored."""
        flipped = below(2, len(images), generator, images.device).bool()
        return torch.where(flipped[:, None, None, None], images.flip(3), images)
