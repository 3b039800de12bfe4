"""AutoAugment."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from bench.data.augmentations.policy import Policy


class AutoAugment(Policy):
    """The policy learned on CIFAR-10 (Cubuk et al. 2019), which serves every data set, as is usual for small images."""

    name = "auto-augment"
    order = 40

    def policy(self) -> Callable[[Tensor], Tensor]:
        """Return torchvision's AutoAugment."""
        from torchvision.transforms import v2

        made: Callable[[Tensor], Tensor] = v2.AutoAugment(v2.AutoAugmentPolicy.CIFAR10)
        return made
