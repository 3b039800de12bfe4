"""A multilayer perceptron, for inputs that are no images: spike trains of many channels."""

from __future__ import annotations

from collections import OrderedDict

from torch import Tensor, nn

from bench.models.layers import Dropout, Flatten, Linear
from bench.models.site import Site


class MLP(nn.Module):
    """Hidden layers of linear - BN - neuron - dropout, then one linear layer.

    width: units of a hidden layer (>= 1).  hidden: how many hidden layers (>= 1).
    dropout: share of a hidden layer's outputs that is dropped.
    """

    name = "mlp"

    def __init__(self, *, width: int = 256, hidden: int = 2, dropout: float = 0.0, _site: Site) -> None:
        super().__init__()
        if hidden < 1 or width < 1:
            raise ValueError(f"width and hidden should be at least 1, not {width} and {hidden}")
        inputs = _site.in_channels * _site.image_size[0] * _site.image_size[1]
        self.flatten = Flatten()
        self.layers = nn.Sequential()
        for _ in range(hidden):
            parts: OrderedDict[str, nn.Module] = OrderedDict(
                linear=Linear(inputs, width, bias=False),
                bn=_site.feature_norm(width),
                neuron=_site.neuron(width),
                dropout=Dropout(dropout),
            )
            self.layers.append(nn.Sequential(parts))
            inputs = width
        self.linear = Linear(inputs, _site.classes)

    def forward(self, x: Tensor) -> Tensor:
        """Map x [T, N, C, H, W] to logits [T, N, classes]."""
        logits: Tensor = self.linear(self.layers(self.flatten(x)))
        return logits
