"""Small networks to count, and ways to look at what was found."""

import torch
from torch import nn

from bench.measure.counting.count import count_operations


def column(counts, name):
    return {ops.name: ops.ops_per_sample for ops in counts.other_ops if ops.column == name}


def spikes(*shape, rate=0.3):
    return (torch.rand(*shape, generator=torch.Generator().manual_seed(1)) < rate).float()


class Model(nn.Module):
    """Modules by name, and a function that runs them."""

    def __init__(self, run, **modules):
        super().__init__()
        self.run = run
        for name, module in modules.items():
            self.add_module(name, module)

    def forward(self, x):
        return self.run(self, x)


def images(model, x):
    return count_operations(model, [x], layout="N", input_kind="values")
