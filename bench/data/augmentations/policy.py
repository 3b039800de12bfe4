"""What torchvision's policies share: they take pictures, one by one."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

import torch
from torch import Generator, Tensor

from bench.data.augmentations.base import ImageAugmentation
from bench.data.augmentations.draws import with_global_generator
from bench.errors import ParameterError


class Policy(ImageAugmentation):
    """A policy of torchvision, applied to every image by itself."""

    stored: ClassVar[bool] = True

    def __init__(self, *, _in_channels: int = 3) -> None:
        if _in_channels not in (1, 3):
            name = getattr(self, "name", type(self).__name__)
            raise ParameterError(f"augment: '{name}' needs images of 1 or 3 channels, these have {_in_channels}")

    def policy(self) -> Callable[[Tensor], Tensor]:
        """Return the policy. Whoever writes it imports torchvision there: that costs more than a second."""
        raise NotImplementedError

    def augment(self, images: Tensor, generator: Generator) -> Tensor:
        """Return images [N, C, H, W], each changed by itself."""
        policy = self.policy()
        return with_global_generator(lambda: torch.stack([policy(image) for image in images]), generator)
