"""The augmentations that a suite names, put in order and applied to batches."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from torch import Generator, Tensor

from bench.data.augmentations.base import Augmentation, ImageAugmentation, MixingAugmentation
from bench.data.augmentations.draws import below
from bench.plugins import registry


@dataclass(frozen=True)
class Augmenter:
    """The stages that a list of names comes to; without names every method returns what it is given."""

    raw: tuple[ImageAugmentation, ...] = ()
    normalised: tuple[ImageAugmentation, ...] = ()
    mixing: tuple[MixingAugmentation, ...] = ()

    def on_raw(self, images: Tensor, generator: Generator) -> Tensor:
        """Augment images [N, C, H, W] as they are stored."""
        for stage in self.raw:
            images = stage.augment(images, generator)
        return images

    def on_normalised(self, images: Tensor, generator: Generator) -> Tensor:
        """Augment float images [N, C, H, W]."""
        for stage in self.normalised:
            images = stage.augment(images, generator)
        return images

    def on_batch(self, images: Tensor, labels: Tensor, generator: Generator) -> tuple[Tensor, Tensor]:
        """Mix samples: images [N, C, H, W], labels [N] -> images, probabilities [N, classes]."""
        if not self.mixing:
            return images, labels
        chosen = below(len(self.mixing), 1, generator).item() if len(self.mixing) > 1 else 0
        return self.mixing[int(chosen)].mix(images, labels, generator)


def build_augmenter(
    names: Iterable[str],
    *,
    classes: int,
    image_size: tuple[int, int],
    in_channels: int = 3,
    timesteps: int | None = None,
) -> Augmenter:
    """Return the augmenter for `names` as in a suite's `train.augment`; image_size is (height, width), pixels.

    timesteps: frames of a recording; None for images.
    Raises UnknownNameError for another name, ParameterError for one that these data have no use for.
    """
    data = {"_classes": classes, "_image_size": image_size, "_in_channels": in_channels, "_timesteps": timesteps}
    stages: list[Augmentation] = [registry.create("augmentation", name, data) for name in sorted(set(names))]
    stages.sort(key=lambda stage: stage.order)
    on_images = [stage for stage in stages if isinstance(stage, ImageAugmentation)]
    return Augmenter(
        raw=tuple(stage for stage in on_images if stage.stored),
        normalised=tuple(stage for stage in on_images if not stage.stored),
        mixing=tuple(stage for stage in stages if isinstance(stage, MixingAugmentation)),
    )
