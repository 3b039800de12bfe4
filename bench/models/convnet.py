"""A small convolutional net that trains in minutes on two CPU cores."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

from torch import Tensor, nn

from bench.models.layers import BatchNorm2d, Conv2d, Dropout, Flatten, Linear, MaxPool2d


class ConvNet(nn.Module):
    """Stages of 3x3 convolution - BN - neuron - 2x2 max pool, channels doubling, then one linear layer.

    width: channels of the first stage (>= 1).  stages: how many, each halving the image (>= 1).
    dropout: share of the features dropped before the linear layer. Max pooling keeps spikes binary.
    """

    name = "convnet"

    def __init__(
        self,
        *,
        width: int = 32,
        stages: int = 3,
        dropout: float = 0.0,
        _in_channels: int,
        _classes: int,
        _image_size: tuple[int, int],
        _neuron: Callable[[int], nn.Module],
        _batch_norm: str,
    ) -> None:
        super().__init__()
        if stages < 1 or width < 1:
            raise ValueError(f"width and stages should be at least 1, not {width} and {stages}")
        if min(_image_size) >> stages == 0:
            most = min(_image_size).bit_length() - 1
            raise ValueError(
                f"{stages} stages halve an image of {_image_size[0]}x{_image_size[1]} to nothing; use at most {most}"
            )
        channels = _in_channels
        self.stages = nn.Sequential()
        for stage in range(stages):
            previous, channels = channels, width << stage
            parts: OrderedDict[str, nn.Module] = OrderedDict(
                conv=Conv2d(previous, channels, 3, padding=1, bias=False),
                bn=BatchNorm2d(channels, statistics=_batch_norm),
                neuron=_neuron(channels),
                pool=MaxPool2d(2),
            )
            self.stages.append(nn.Sequential(parts))
        self.flatten = Flatten()
        self.dropout = Dropout(dropout)
        self.linear = Linear(channels * (_image_size[0] >> stages) * (_image_size[1] >> stages), _classes)

    def forward(self, x: Tensor) -> Tensor:
        """Map x [T, N, C, H, W] to logits [T, N, classes]."""
        logits: Tensor = self.linear(self.dropout(self.flatten(self.stages(x))))
        return logits
