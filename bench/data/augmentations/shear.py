"""Random slants."""

from __future__ import annotations

import torch
from torch import Generator, Tensor

from bench.data.augmentations.base import ImageAugmentation
from bench.data.augmentations.draws import mapped, uniform

MOST_DEGREES = 15.0


class Shear(ImageAugmentation):
    """Slant each image left or right by up to 15 degrees, its middle row staying in place."""

    name = "shear"
    order = 20

    def augment(self, images: Tensor, generator: Generator) -> Tensor:
        """Return float images [N, C, H, W], each slanted."""
        slope = torch.deg2rad(uniform(-MOST_DEGREES, MOST_DEGREES, len(images), generator)).tan()
        height, width = images.shape[-2:]
        one, none = torch.ones_like(slope), torch.zeros_like(slope)
        return mapped(images, torch.stack([one, slope * height / width, none, one], 1))
