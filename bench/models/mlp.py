"""A multilayer perceptron, for inputs that are no images: spike trains of many channels."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

from torch import Tensor, nn

from bench.models.layers import BatchNorm1d, Dropout, Flatten, Linear


class MLP(nn.Module):
    """Hidden layers of linear - BN - neuron - dropout, then one linear layer.

    width: units of a hidden layer (>= 1).  hidden: how many hidden layers (>= 1).
    dropout: share of a hidden layer's outputs that is dropped.
    """

    name = "mlp"

    def __init__(
        self,
        *,
        width: int = 256,
        hidden: int = 2,
        dropout: float = 0.0,
        _in_channels: int,
        _classes: int,
        _image_size: tuple[int, int],
        _neuron: Callable[[int], nn.Module],
        _batch_norm: str,
    ) -> None:
        super().__init__()
        if hidden < 1 or width < 1:
            raise ValueError(f"width and hidden should be at least 1, not {width} and {hidden}")
        inputs = _in_channels * _image_size[0] * _image_size[1]
        self.flatten = Flatten()
        self.layers = nn.Sequential()
        for _ in range(hidden):
            parts: OrderedDict[str, nn.Module] = OrderedDict(
                linear=Linear(inputs, width, bias=False),
                bn=BatchNorm1d(width, statistics=_batch_norm),
                neuron=_neuron(width),
                dropout=Dropout(dropout),
            )
            self.layers.append(nn.Sequential(parts))
            inputs = width
        self.linear = Linear(inputs, _classes)

    def forward(self, x: Tensor) -> Tensor:
        """Map x [T, N, C, H, W] to logits [T, N, classes]."""
        logits: Tensor = self.linear(self.layers(self.flatten(x)))
        return logits
