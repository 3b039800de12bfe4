"""Test sequences whose frames are shuffled or merged, to see whether a network needs their order."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Literal

import torch
from torch import Generator, Tensor

from bench.seeding import seed_for


def rearranged(
    batches: Iterable[tuple[Tensor, Tensor]], frames: Literal["shuffled", "merged"], seed: int
) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield batches of (x [T, N, ...], labels [N]) with other frames; a sample keeps its sum over T either way.

    "shuffled": the T frames of each sample in an order of its own, any of the T! alike. The orders follow from the seed
    and the place of the sample in the data, so they are the same for every network, device and size of batch.
    "merged": every frame is the mean over T of the sample's frames.
    """
    generator = Generator().manual_seed(seed_for("frames", seed))
    for x, labels in batches:
        yield (_merged(x) if frames == "merged" else _shuffled(x, generator)), labels


def _merged(x: Tensor) -> Tensor:
    return x.mean(0, keepdim=True).expand(x.shape).contiguous()


def _shuffled(x: Tensor, generator: Generator) -> Tensor:
    timesteps, samples = x.shape[:2]
    orders = torch.stack([torch.randperm(timesteps, generator=generator) for _ in range(samples)], dim=1)
    return x[orders.to(x.device), torch.arange(samples, device=x.device)]
