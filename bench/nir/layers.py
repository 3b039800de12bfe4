"""The layers of NIR that have no memory, over sequences [T, N, ...], where this package has none that does the same."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from bench.models.layers import fold, unfold


class Conv1d(nn.Conv1d):
    """1-d convolution, x [T, N, C, L]."""

    def forward(self, x: Tensor) -> Tensor:
        """Convolve every frame."""
        return unfold(super().forward(fold(x)), x.shape[0])


class SumPool2d(nn.Module):
    """2-d sums over windows, x [T, N, C, H, W]; sizes are (height, width)."""

    def __init__(self, kernel_size: tuple[int, ...], stride: tuple[int, ...], padding: tuple[int, ...]) -> None:
        super().__init__()
        self.window: dict[str, Any] = {"kernel_size": kernel_size, "stride": stride, "padding": padding}

    def forward(self, x: Tensor) -> Tensor:
        """Sum every window."""
        return unfold(functional.avg_pool2d(fold(x), **self.window, divisor_override=1), x.shape[0])


class Flatten(nn.Module):
    """x [T, N, ...] with the axes from `start` to `end` of a sample, both included, made one."""

    def __init__(self, start: int, end: int) -> None:
        super().__init__()
        self.start, self.end = (axis if axis < 0 else axis + 2 for axis in (start, end))

    def forward(self, x: Tensor) -> Tensor:
        """Flatten every frame, in row-major order."""
        return x.flatten(self.start, self.end)


class Scale(nn.Module):
    """x [T, N, ...] times a number for each element of a sample."""

    scale: Tensor

    def __init__(self, scale: Tensor) -> None:
        super().__init__()
        self.register_buffer("scale", scale)

    def forward(self, x: Tensor) -> Tensor:
        """Scale every frame."""
        return x * self.scale


class Delay(nn.Module):
    """x [T, N, ...] later by a whole number of timesteps for each element of a sample; 0 comes out before."""

    timesteps: Tensor

    def __init__(self, timesteps: Tensor) -> None:
        super().__init__()
        self.register_buffer("timesteps", timesteps)

    def forward(self, x: Tensor) -> Tensor:
        """Delay every element."""
        most = int(self.timesteps.max())
        padded = torch.cat([x.new_zeros(most, *x.shape[1:]), x])
        now = torch.arange(most, most + x.shape[0], device=x.device).reshape(-1, *[1] * (x.dim() - 1))
        return padded.gather(0, (now - self.timesteps).expand_as(x))
