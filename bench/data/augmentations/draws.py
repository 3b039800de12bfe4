"""Lots drawn on the CPU, so that every device sees the same ones, and what several augmentations make of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import torch
from torch import Generator, Tensor
from torch.nn import functional as F

Made = TypeVar("Made")


def below(bound: int, size: int | tuple[int, ...], generator: Generator, device: torch.device | None = None) -> Tensor:
    """Draw integers 0 .. bound - 1 on the CPU and move them to `device`."""
    shape = (size,) if isinstance(size, int) else size
    drawn = torch.randint(bound, shape, generator=generator)
    return drawn if device is None else to_device(drawn, device)


def uniform(low: float, high: float, size: int, generator: Generator) -> Tensor:
    """Draw numbers low .. high on the CPU."""
    return low + (high - low) * torch.rand(size, generator=generator)


def within(start: Tensor, length: int | Tensor, size: int) -> Tensor:
    """Return [N, size]: whether a position lies in start .. start + length - 1; length one for all, or [N]."""
    offset = torch.arange(size) - start[:, None]
    return (offset >= 0) & (offset < (length[:, None] if isinstance(length, Tensor) else length))


def with_global_generator(make: Callable[[], Made], generator: Generator) -> Made:
    """Call what draws from torch's global generator, seeded from `generator` and restored after."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(int(torch.randint(2**62, (), generator=generator)))
        return make()


def mapped(images: Tensor, matrix: Tensor) -> Tensor:
    """Fetch every pixel from where `matrix` [N, 4] (row by row) sends it: the nearest one, or 0 outside the image.

    No pixel is mixed of several, so event counts stay whole numbers.
    """
    theta = F.pad(matrix.view(-1, 2, 2), (0, 1))
    grid = F.affine_grid(to_device(theta, images.device), [len(images), 1, *images.shape[-2:]], align_corners=False)
    return F.grid_sample(images, grid.to(images.dtype), mode="nearest", align_corners=False)


def to_device(values: Tensor, device: torch.device) -> Tensor:
    """Copy from the CPU to `device` without waiting for it, which needs pinned memory on CUDA."""
    return values.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else values.to(device)
