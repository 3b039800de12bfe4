"""Random rotations."""

from __future__ import annotations

import torch
from torch import Generator, Tensor

from bench.data.augmentations.base import ImageAugmentation
from bench.data.augmentations.draws import mapped, uniform

MOST_DEGREES = 15.0


class Rotation(ImageAugmentation):
    """Turn each image about its centre by up to 15 degrees either way."""

    name = "rotation"
    order = 10

    def augment(self, images: Tensor, generator: Generator) -> Tensor:
        """Return float images [N, C, H, W], each turned."""
        angle = torch.deg2rad(uniform(-MOST_DEGREES, MOST_DEGREES, len(images), generator))
        height, width = images.shape[-2:]
        sin, cos = angle.sin(), angle.cos()  # grid_sample's axes run from -1 to 1 whatever the sides are
        return mapped(images, torch.stack([cos, -sin * height / width, sin * width / height, cos], 1))
