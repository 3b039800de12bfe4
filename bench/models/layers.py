"""Layers over sequences [T, N, ...]: torch's own, run folded, [T*N, ...], in one call.

Each is a subclass of torch's layer, so parameter names, types and operation counters see the layer that it is. Memory
format is kept: channels_last frames stay channels_last without a copy.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from bench.sequences import repeat, repeated_frame

BATCH_NORM = ("folded", "per-step")


def fold(x: Tensor) -> Tensor:
    """[T, N, ...] -> [T*N, ...]: a view, or where frames are repeated in place a copy in the same memory format."""
    if x.dim() == 5 and x[0].is_contiguous(memory_format=torch.channels_last):
        return x.movedim(2, -1).flatten(0, 1).movedim(-1, 1)
    return x.flatten(0, 1)


def unfold(x: Tensor, timesteps: int) -> Tensor:
    """[T*N, ...] -> [T, N, ...], a view."""
    return x.view(timesteps, x.shape[0] // timesteps, *x.shape[1:])


class _Folded(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return unfold(super().forward(fold(x)), x.shape[0])


class Conv2d(nn.Conv2d):
    """2-d convolution, x [T, N, C, H, W]; a frame that is repeated over T is convolved once, its result repeated."""

    def forward(self, x: Tensor) -> Tensor:
        """Convolve every frame."""
        frame = repeated_frame(x)
        if frame is not None:
            return repeat(super().forward(frame), x.shape[0])
        return unfold(super().forward(fold(x)), x.shape[0])


class Linear(_Folded, nn.Linear):
    """Affine map of the features, x [T, N, F] -> [T, N, G]."""


class _BatchNorm(nn.modules.batchnorm._BatchNorm):
    """Batch norm over sequences; in training its statistics are over T and N ("folded") or of each timestep.

    "per-step" is what a network called once per timestep does: running averages are updated T times. In eval mode
    both use the running averages and are the same. A frame that is repeated over T is normalised once: its statistics
    are those of its copies, and the running averages move as T copies would have moved them.
    """

    def __init__(self, num_features: int, *, statistics: str = "folded", **options: Any) -> None:
        super().__init__(num_features, **options)
        if statistics not in BATCH_NORM:
            raise ValueError(f"batch_norm should be one of {', '.join(BATCH_NORM)}, not '{statistics}'")
        self.statistics = statistics

    def forward(self, x: Tensor) -> Tensor:
        """Normalise every channel."""
        frame = repeated_frame(x)
        once = None if frame is None else self._once(frame, x.shape[0])
        if once is not None:
            return once
        if self.training and self.statistics == "per-step":
            return unfold(torch.cat([super(_BatchNorm, self).forward(frame) for frame in x.unbind(0)]), x.shape[0])
        return unfold(super().forward(fold(x)), x.shape[0])

    def _once(self, frame: Tensor, timesteps: int) -> Tensor | None:
        """Normalise T copies of one frame; None where the running averages need the copies themselves."""
        if not self.training:
            return repeat(super().forward(frame), timesteps)
        samples = frame.numel() // frame.shape[1]
        if self.momentum is None or self.running_mean is None or self.running_var is None or samples == 1:
            return None
        keep = 1 - self.momentum
        if self.statistics == "per-step":
            keep **= timesteps
        variance = self.running_var.clone()  # autograd keeps the one that is passed and forbids to change it after
        normalised = functional.batch_norm(
            frame, self.running_mean, variance, self.weight, self.bias, True, 1 - keep, self.eps
        )
        if self.statistics == "folded":  # the running variance is the unbiased one, of T times as many values
            excess = timesteps * (samples - 1) / (timesteps * samples - 1)
            variance = torch.lerp(keep * self.running_var, variance, excess)
        self.running_var.copy_(variance)
        if self.num_batches_tracked is not None:
            self.num_batches_tracked += timesteps if self.statistics == "per-step" else 1
        return repeat(normalised, timesteps)


class BatchNorm1d(_BatchNorm, nn.BatchNorm1d):
    """Batch norm of features, x [T, N, F]; see `_BatchNorm`."""


class BatchNorm2d(_BatchNorm, nn.BatchNorm2d):
    """Batch norm of channels, x [T, N, C, H, W]; see `_BatchNorm`."""


class MaxPool2d(_Folded, nn.MaxPool2d):
    """2-d maximum pooling, x [T, N, C, H, W]; spikes stay binary."""


class AvgPool2d(_Folded, nn.AvgPool2d):
    """2-d average pooling, x [T, N, C, H, W]."""


class AdaptiveAvgPool2d(_Folded, nn.AdaptiveAvgPool2d):
    """2-d average pooling to a given size, x [T, N, C, H, W].

    On a GPU torch's backward pass of it adds in any order, and refuses where deterministic algorithms are asked for.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Pool every frame."""
        if x.is_cuda and x.requires_grad and torch.are_deterministic_algorithms_enabled():
            size = self.output_size
            height, width = size if isinstance(size, tuple) else (size, size)
            return average_to(x, height or x.shape[-2], width or x.shape[-1])
        return super().forward(x)


def average_to(x: Tensor, height: int, width: int) -> Tensor:
    """Average x [..., H, W] to [..., height, width] over torch's adaptive windows, as two matrix products.

    Output i of n covers inputs floor(i * H / n) to ceil((i + 1) * H / n), end exclusive. What is computed, forward and
    backward, is the same at every call.
    """
    with torch.autocast(x.device.type, enabled=False):
        rows, columns = (_windows(x, axis, size) for axis, size in ((-2, height), (-1, width)))
        pooled = rows @ x.to(rows.dtype) @ columns.mT
    return pooled.to(x.dtype)


def _windows(x: Tensor, axis: int, outputs: int) -> Tensor:
    """Return the matrix [outputs, inputs] that averages along an axis of x, in float32 at least."""
    inputs = x.shape[axis]
    output = torch.arange(outputs, device=x.device).unsqueeze(1)
    position = torch.arange(inputs, device=x.device)
    inside = (position >= output * inputs // outputs) & (position < -(-(output + 1) * inputs // outputs))
    return inside.to(torch.promote_types(x.dtype, torch.float32)) / inside.sum(1, keepdim=True)


class Flatten(_Folded, nn.Flatten):
    """x [T, N, ...] -> [T, N, F], each frame in row-major order."""


class Dropout(nn.Dropout):
    """Dropout, x [T, N, ...], that drops the same elements of a sample at all its timesteps.

    One mask per sample and sequence, as in Lee et al. 2020 and the published CLIF code; at T = 1 it is plain dropout.
    p = 0 draws no random numbers.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Drop elements in training mode, scale the others by 1 / (1 - p)."""
        if not self.training or self.p == 0:
            return x
        return x * functional.dropout(torch.ones_like(x[0]), self.p)
