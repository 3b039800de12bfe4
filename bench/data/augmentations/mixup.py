"""Mixtures of samples."""

from __future__ import annotations

from torch import Generator, Tensor

from bench.data.augmentations.base import MixingAugmentation
from bench.data.augmentations.draws import with_global_generator


class Mixup(MixingAugmentation):
    """Blend each sample with another, labels as images (Zhang et al. 2018), by torchvision."""

    name = "mixup"
    order = 10

    def __init__(self, *, _classes: int) -> None:
        self.classes = _classes

    def mix(self, images: Tensor, labels: Tensor, generator: Generator) -> tuple[Tensor, Tensor]:
        """Return mixed images [N, C, H, W] and probabilities [N, classes]."""
        from torchvision.transforms import v2  # more than a second, and most recipes do without it

        mix = v2.MixUp(num_classes=self.classes)
        mixed, probabilities = with_global_generator(lambda: mix(images, labels), generator)
        return mixed, probabilities
