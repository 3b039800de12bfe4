"""Cutout."""

from __future__ import annotations

from torch import Generator, Tensor

from bench.data.augmentations.base import ImageAugmentation
from bench.data.augmentations.draws import below, to_device, within


class Cutout(ImageAugmentation):
    """Set one square of half the image's shorter side to 0 in each image: on normalised images, the mean colour.

    The centre is uniform over the image and the square is clipped at the borders (DeVries & Taylor 2017).
    """

    name = "cutout"
    order = 40

    def __init__(self, *, _image_size: tuple[int, int] = (32, 32)) -> None:
        self.side = cutout_side(_image_size)

    def augment(self, images: Tensor, generator: Generator) -> Tensor:
        """Return images [N, C, H, W], each with its square."""
        return cutout(images, self.side, generator)


def cutout(images: Tensor, side: int, generator: Generator) -> Tensor:
    """Set one square of `side` pixels to 0 in each of images [N, C, H, W]."""
    height, width = images.shape[-2:]
    top, left = (below(size, len(images), generator) - side // 2 for size in (height, width))
    keep = ~(within(top, side, height)[:, None, :, None] & within(left, side, width)[:, None, None, :])
    return images * to_device(keep, images.device)


def cutout_side(image_size: tuple[int, int]) -> int:
    """Return the side of cutout's square, pixels: half the shorter side of the image, so 16 for 32x32.

    DeVries & Taylor 2017 use 16 for CIFAR-10 and 8 for CIFAR-100; later recipes use 16 for both.
    """
    return max(1, min(image_size) // 2)
