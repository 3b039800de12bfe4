"""TrivialAugment."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from bench.data.augmentations.policy import Policy


class TrivialAugmentWide(Policy):
    """One random change of each image, of random strength (Müller & Hutter 2021)."""

    name = "trivial-augment-wide"
    order = 50

    def policy(self) -> Callable[[Tensor], Tensor]:
        """Return torchvision's TrivialAugmentWide."""
        from torchvision.transforms import v2

        made: Callable[[Tensor], Tensor] = v2.TrivialAugmentWide()
        return made
