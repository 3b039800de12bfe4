"""Random shifts around the borders."""

from __future__ import annotations

import torch
from torch import Generator, Tensor

from bench.data.augmentations.base import ImageAugmentation
from bench.data.augmentations.draws import below


class Roll(ImageAugmentation):
    """Shift each image by up to 5 pixels along either axis; what leaves comes in on the other side."""

    name = "roll"
    stored = True
    order = 30
    most_pixels = 5

    def augment(self, images: Tensor, generator: Generator) -> Tensor:
        """Return images [N, C, H, W], each shifted."""
        height, width = images.shape[-2:]
        shifts = below(2 * self.most_pixels + 1, (2, len(images)), generator, images.device) - self.most_pixels
        rows, columns = (
            (torch.arange(size, device=images.device) - shift[:, None]) % size
            for size, shift in zip((height, width), shifts, strict=True)
        )
        sample = torch.arange(len(images), device=images.device)[:, None, None]
        return images.movedim(1, -1)[sample, rows[:, :, None], columns[:, None, :]].movedim(-1, 1)
