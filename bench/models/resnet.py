"""Pre-activation residual networks for small images (He et al. 2016; stem and biases as in Huang et al. 2024)."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor, nn

from bench.models.layers import AvgPool2d, Conv2d, Dropout, Flatten, Linear
from bench.models.site import Site


class BasicBlock(nn.Module):
    """BN - neuron - 3x3 conv - BN - neuron - dropout - 3x3 conv, plus the shortcut.

    The shortcut starts from the activated input: a 1x1 convolution where the shape changes, else that input itself.
    """

    expansion = 1

    def __init__(self, in_channels: int, channels: int, stride: int, dropout: float, site: Site) -> None:
        super().__init__()
        self.bn1 = site.norm(in_channels)
        self.neuron1 = site.neuron(in_channels)
        self.conv1 = Conv2d(in_channels, channels, 3, stride=stride, padding=1)
        self.bn2 = site.norm(channels)
        self.neuron2 = site.neuron(channels)
        self.dropout = Dropout(dropout)
        self.conv2 = Conv2d(channels, channels, 3, padding=1)
        self.shortcut = _shortcut(in_channels, channels, stride)

    def forward(self, x: Tensor) -> Tensor:
        """Map [T, N, in_channels, H, W] to [T, N, channels, H/stride, W/stride]."""
        x = self.neuron1(self.bn1(x))
        out: Tensor = self.conv2(self.dropout(self.neuron2(self.bn2(self.conv1(x)))))
        shortcut: Tensor = self.shortcut(x)
        return out + shortcut


class Bottleneck(nn.Module):
    """BN - neuron - 1x1 conv (stride) - BN - neuron - 3x3 conv - BN - neuron - dropout - 1x1 conv to 4 x channels.

    Shortcut as in BasicBlock. The stride is in the first convolution, as in the published CLIF code.
    """

    expansion = 4

    def __init__(self, in_channels: int, channels: int, stride: int, dropout: float, site: Site) -> None:
        super().__init__()
        self.bn1 = site.norm(in_channels)
        self.neuron1 = site.neuron(in_channels)
        self.conv1 = Conv2d(in_channels, channels, 1, stride=stride)
        self.bn2 = site.norm(channels)
        self.neuron2 = site.neuron(channels)
        self.conv2 = Conv2d(channels, channels, 3, padding=1)
        self.bn3 = site.norm(channels)
        self.neuron3 = site.neuron(channels)
        self.dropout = Dropout(dropout)
        self.conv3 = Conv2d(channels, 4 * channels, 1)
        self.shortcut = _shortcut(in_channels, 4 * channels, stride)

    def forward(self, x: Tensor) -> Tensor:
        """Map [T, N, in_channels, H, W] to [T, N, 4*channels, H/stride, W/stride]."""
        x = self.neuron1(self.bn1(x))
        inner = self.conv2(self.neuron2(self.bn2(self.conv1(x))))
        out: Tensor = self.conv3(self.dropout(self.neuron3(self.bn3(inner))))
        shortcut: Tensor = self.shortcut(x)
        return out + shortcut


def _shortcut(in_channels: int, channels: int, stride: int) -> nn.Module:
    if stride == 1 and in_channels == channels:
        return nn.Identity()
    return Conv2d(in_channels, channels, 1, stride=stride)


class ResNet18(nn.Module):
    """Pre-activation ResNet-18: 3x3 stem of 64 channels, stages of 2-2-2-2 basic blocks, average pool 4, linear.

    dropout: share of the elements dropped before the last convolution of each block.
    Average pooling takes 4x4 windows (the whole map where it is smaller) and drops what remains at the border.
    """

    name = "resnet18"
    block: ClassVar[type[BasicBlock] | type[Bottleneck]] = BasicBlock
    blocks: ClassVar[tuple[int, ...]] = (2, 2, 2, 2)

    def __init__(self, *, dropout: float = 0.0, _site: Site) -> None:
        super().__init__()
        self.conv1 = Conv2d(_site.in_channels, 64, 3, padding=1, bias=False)
        channels = 64
        for stage, count in enumerate(self.blocks):
            blocks = nn.Sequential()
            for index in range(count):
                stride = 2 if stage > 0 and index == 0 else 1
                blocks.append(self.block(channels, 64 << stage, stride, dropout, _site))
                channels = (64 << stage) * self.block.expansion
            self.add_module(f"layer{stage + 1}", blocks)
        self.bn1 = _site.norm(channels)
        self.neuron = _site.neuron(channels)
        last_map = [-(-extent // 8) for extent in _site.image_size]
        window = (min(4, last_map[0]), min(4, last_map[1]))
        self.pool = AvgPool2d(window)
        self.flatten = Flatten()
        self.linear = Linear(channels * (last_map[0] // window[0]) * (last_map[1] // window[1]), _site.classes)

    def forward(self, x: Tensor) -> Tensor:
        """Map x [T, N, C, H, W] to logits [T, N, classes]."""
        x = self.conv1(x)
        for stage in range(len(self.blocks)):
            x = self.get_submodule(f"layer{stage + 1}")(x)
        logits: Tensor = self.linear(self.flatten(self.pool(self.neuron(self.bn1(x)))))
        return logits


class ResNet34(ResNet18):
    """Pre-activation ResNet-34: as ResNet-18 with stages of 3-4-6-3 basic blocks.

    dropout: share of the elements dropped before the last convolution of each block.
    """

    name = "resnet34"
    blocks = (3, 4, 6, 3)


class ResNet50(ResNet18):
    """Pre-activation ResNet-50: as ResNet-18 with stages of 3-4-6-3 bottleneck blocks.

    dropout: share of the elements dropped before the last convolution of each block.
    """

    name = "resnet50"
    block = Bottleneck
    blocks = (3, 4, 6, 3)
