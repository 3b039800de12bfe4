"""The smallest input that breaks a promise: one that fails is cut and made plainer as long as it still fails."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

INPUT = "the smallest input found, x [T, N, C, ...]"
PATIENCE = 300  # inputs tried; a kit that takes minutes over its bad news is not run


def shrink(x: Tensor, fails: Callable[[Tensor], bool]) -> Tensor:
    """Return an input that still `fails` and that no single step makes smaller, or the best one found in time."""
    tried, progress = 0, True
    while progress:
        progress = False
        for candidate in _smaller(x):
            tried += 1
            if tried > PATIENCE:
                return x
            if fails(candidate):
                x, progress = candidate, True
                break
    return x


def _smaller(x: Tensor) -> Iterator[Tensor]:
    for axis, extent in enumerate(x.shape):  # halves first, then one slice less
        for keep in dict.fromkeys([extent // 2, extent - 1]):
            if keep >= 1:
                yield x.narrow(axis, 0, keep).clone()
                yield x.narrow(axis, extent - keep, keep).clone()
    flat = x.flatten()
    for index in range(min(len(flat), 40)):
        value = float(flat[index])
        for plain in (0.0, 1.0, 2.0, round(value, 1)):
            if plain != value and abs(plain) + 10 * (plain != round(plain)) < abs(value) + 10 * (value != round(value)):
                simpler = flat.clone()
                simpler[index] = plain
                yield simpler.view(x.shape)


def as_text(x: Tensor) -> str:
    """Write an input as the Python that makes it."""
    values = x.detach().to(torch.float64)
    return f"torch.tensor({_rounded(values.tolist())})" if x.numel() <= 24 else f"a tensor of shape {list(x.shape)}"


def _rounded(value: object) -> object:
    if isinstance(value, list):
        return [_rounded(item) for item in value]
    return round(value, 4) if isinstance(value, float) else value
