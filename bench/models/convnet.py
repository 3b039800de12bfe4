"""A small convolutional net that trains in minutes on two CPU cores."""

from __future__ import annotations

from collections import OrderedDict

from torch import Tensor, nn

from bench.models.layers import Conv2d, Dropout, Flatten, Linear, MaxPool2d
from bench.models.site import Site


class ConvNet(nn.Module):
    """Stages of 3x3 convolution - BN - neuron - 2x2 max pool, channels doubling, then one linear layer.

    width: channels of the first stage (>= 1).  stages: how many, each halving the image (>= 1).
    dropout: share of the features dropped before the linear layer. Max pooling keeps spikes binary.
    """

    name = "convnet"

    def __init__(self, *, width: int = 32, stages: int = 3, dropout: float = 0.0, _site: Site) -> None:
        super().__init__()
        if stages < 1 or width < 1:
            raise ValueError(f"width and stages should be at least 1, not {width} and {stages}")
        rows, columns = _site.image_size
        if min(rows, columns) >> stages == 0:
            most = min(rows, columns).bit_length() - 1
            raise ValueError(f"{stages} stages halve an image of {rows}x{columns} to nothing; use at most {most}")
        channels = _site.in_channels
        self.stages = nn.Sequential()
        for stage in range(stages):
            previous, channels = channels, width << stage
            parts: OrderedDict[str, nn.Module] = OrderedDict(
                conv=Conv2d(previous, channels, 3, padding=1, bias=False),
                bn=_site.norm(channels),
                neuron=_site.neuron(channels),
                pool=MaxPool2d(2),
            )
            self.stages.append(nn.Sequential(parts))
        self.flatten = Flatten()
        self.dropout = Dropout(dropout)
        self.linear = Linear(channels * (rows >> stages) * (columns >> stages), _site.classes)

    def forward(self, x: Tensor) -> Tensor:
        """Map x [T, N, C, H, W] to logits [T, N, classes]."""
        logits: Tensor = self.linear(self.dropout(self.flatten(self.stages(x))))
        return logits
