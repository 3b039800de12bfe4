"""Random crops."""

from __future__ import annotations

import torch
from torch import Generator, Tensor
from torch.nn import functional as F

from bench.data.augmentations.base import ImageAugmentation
from bench.data.augmentations.draws import below

PADDING_PIXELS = 4


class RandomCrop(ImageAugmentation):
    """Pad by 4 black pixels and cut out a window of the image's size at a random place, for each sample."""

    name = "random-crop"
    stored = True
    order = 10

    def augment(self, images: Tensor, generator: Generator) -> Tensor:
        """Return the windows of images [N, C, H, W]."""
        height, width = images.shape[-2:]
        padded = F.pad(images, (PADDING_PIXELS,) * 4)
        windows = padded.unfold(2, height, 1).unfold(3, width, 1)  # a view [N, C, 9, 9, H, W]
        rows, columns = below(2 * PADDING_PIXELS + 1, (2, len(images)), generator, images.device)
        return windows[torch.arange(len(images), device=images.device), :, rows, columns]
