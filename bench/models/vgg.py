"""VGG networks with batch norm and average pooling (Simonyan and Zisserman 2015; form as in Huang et al. 2024)."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor, nn

from bench.models.layers import AdaptiveAvgPool2d, AvgPool2d, Conv2d, Dropout, Flatten, Linear
from bench.models.site import Site

STAGE_CHANNELS = (64, 128, 256, 512, 512)


class VGG11(nn.Module):
    """VGG-11: stages of 1-1-2-2-2 times 3x3 conv - BN - neuron - dropout, 2x2 average pools, 7x7 pool, linear.

    dropout: share of the elements dropped after each neuron. Images of at least 32x32.
    """

    name = "vgg11"
    convolutions: ClassVar[tuple[int, ...]] = (1, 1, 2, 2, 2)

    def __init__(self, *, dropout: float = 0.0, _site: Site) -> None:
        super().__init__()
        height, width = _site.image_size
        if min(height, width) < 32:
            raise ValueError(f"five 2x2 pools need images of at least 32x32, not {height}x{width}")
        previous = _site.in_channels
        for stage, (count, channels) in enumerate(zip(self.convolutions, STAGE_CHANNELS, strict=True)):
            parts: list[nn.Module] = []
            for _ in range(count):
                parts.append(Conv2d(previous, channels, 3, padding=1))
                parts.append(_site.norm(channels))
                parts.append(_site.neuron(channels))
                parts.append(Dropout(dropout))
                previous = channels
            self.add_module(f"layer{stage + 1}", nn.Sequential(*parts, AvgPool2d(2)))
        self.pool = AdaptiveAvgPool2d((7, 7))
        self.classifier = nn.Sequential(Flatten(), Linear(previous * 7 * 7, _site.classes))

    def forward(self, x: Tensor) -> Tensor:
        """Map x [T, N, C, H, W] to logits [T, N, classes]."""
        for stage in range(len(STAGE_CHANNELS)):
            x = self.get_submodule(f"layer{stage + 1}")(x)
        logits: Tensor = self.classifier(self.pool(x))
        return logits


class VGG13(VGG11):
    """VGG-13: as VGG-11 with stages of 2-2-2-2-2 convolutions.

    dropout: share of the elements dropped after each neuron. Images of at least 32x32.
    """

    name = "vgg13"
    convolutions = (2, 2, 2, 2, 2)


class VGG16(VGG11):
    """VGG-16: as VGG-11 with stages of 2-2-3-3-3 convolutions.

    dropout: share of the elements dropped after each neuron. Images of at least 32x32.
    """

    name = "vgg16"
    convolutions = (2, 2, 3, 3, 3)


class VGG19(VGG11):
    """VGG-19: as VGG-11 with stages of 2-2-4-4-4 convolutions.

    dropout: share of the elements dropped after each neuron. Images of at least 32x32.
    """

    name = "vgg19"
    convolutions = (2, 2, 4, 4, 4)
