"""Samples with a piece of another."""

from __future__ import annotations

from torch import Generator, Tensor

from bench.data.augmentations.base import MixingAugmentation
from bench.data.augmentations.draws import with_global_generator


class Cutmix(MixingAugmentation):
    """Paste a box of another sample into each, labels by area (Yun et al. 2019), by torchvision."""

    name = "cutmix"
    order = 20

    def __init__(self, *, _classes: int) -> None:
        self.classes = _classes

    def mix(self, images: Tensor, labels: Tensor, generator: Generator) -> tuple[Tensor, Tensor]:
        """Return mixed images [N, C, H, W] and probabilities [N, classes]."""
        from torchvision.transforms import v2  # more than a second, and most recipes do without it

        mix = v2.CutMix(num_classes=self.classes)
        mixed, probabilities = with_global_generator(lambda: mix(images, labels), generator)
        return mixed, probabilities
