"""The augmentation contract: random changes of training batches, drawn from a CPU generator.

A suite's names are applied in the order of `order` whatever theirs is: first those of images as they are stored, then
those of normalised images, then of those that mix samples one, drawn for each batch. Images that an encoder wants as
intensities pass the same stages without being normalised. The frames of a recording come as the channels of one image,
[N, T*C, H, W], so that all of them meet the same transform.
"""

from __future__ import annotations

from typing import ClassVar

from torch import Generator, Tensor


class Augmentation:
    """A random change of training batches; all that it draws comes from the generator it is given.

    The harness gives the keyword arguments that a constructor takes of `_classes`, `_image_size` (height, width,
    pixels), `_in_channels` and `_timesteps` (frames of a recording; None for images). Raise ValueError there for data
    that the augmentation has no use for.
    """

    name: ClassVar[str]  # what a suite calls it; a class outside this package needs none
    order: ClassVar[int] = 1000  # among those of its stage; the built-in ones come before
    soft_labels: ClassVar[bool] = False  # it makes probabilities of the labels


class ImageAugmentation(Augmentation):
    """A change of each image, labels unchanged."""

    stored: ClassVar[bool] = False  # True: of images as they are stored, uint8 or float, before normalisation

    def augment(self, images: Tensor, generator: Generator) -> Tensor:
        """Return changed images [N, C, H, W]: float, normalised where the encoder wants that, or as stored."""
        raise NotImplementedError


class MixingAugmentation(Augmentation):
    """A mixture of the samples of a batch."""

    soft_labels = True

    def mix(self, images: Tensor, labels: Tensor, generator: Generator) -> tuple[Tensor, Tensor]:
        """Return mixed images [N, C, H, W], and of labels [N] probabilities [N, classes]."""
        raise NotImplementedError
