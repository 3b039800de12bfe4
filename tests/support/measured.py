"""Small networks to count, and ways to look at what was found."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from bench.measure.counting.count import count_operations
from bench.records.counts import Counts


def column(counts: Counts, name: str) -> dict[str, dict[str, float]]:
    return {ops.name: ops.ops_per_sample for ops in counts.other_ops if ops.column == name}


def spikes(*shape: int, rate: float = 0.3) -> Tensor:
    return (torch.rand(*shape, generator=torch.Generator().manual_seed(1)) < rate).float()


class Model(nn.Module):
    """Modules by name, and a function that runs them."""

    def __init__(self, run: Callable[..., Tensor], **modules: nn.Module) -> None:
        super().__init__()
        self.run = run
        for name, module in modules.items():
            self.add_module(name, module)

    def forward(self, x: Tensor) -> Tensor:
        return self.run(self, x)


def images(model: nn.Module, x: Tensor) -> Counts:
    return count_operations(model, [x], time_axis=None)
