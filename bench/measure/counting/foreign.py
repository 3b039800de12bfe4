"""Which modules of a network are counted as a whole, and which may be a neuron of another library."""

from __future__ import annotations

from typing import Literal

import torch
from torch import nn

from bench.measure.counting.synops import SYNAPTIC
from bench.neurons.base import is_neuron

NORM = nn.modules.batchnorm._BatchNorm
Role = Literal["synapse", "norm", "neuron"]


def within(name: str, outer: str) -> bool:
    """Whether the module called `name` is `outer` or in it."""
    return not outer or name == outer or name.startswith(f"{outer}.")


def counted_modules(model: nn.Module) -> dict[str, Role]:
    """Find the modules that are counted as a whole, by role; what is inside them is not looked at."""
    found: dict[str, Role] = {}
    for name, module in model.named_modules():
        if any(within(name, outer) for outer in found):
            continue
        if isinstance(module, SYNAPTIC):
            found[name] = "synapse"
        elif isinstance(module, NORM):
            found[name] = "norm"
        elif is_neuron(module) or isinstance(module, nn.ReLU):
            found[name] = "neuron"
    return found


def open_modules(modules: dict[str, nn.Module], closed: dict[str, Role]) -> dict[str, bool]:
    """Return every other module that is outside closed ones, with whether it may be one neuron of another library.

    That is an outermost module that holds no counted module: counted modules are neurons or synapses themselves.
    """
    inside = {name for name in modules if any(within(name, c) for c in closed)}
    holders = {name for name in modules if any(within(c, name) for c in closed)}
    found: dict[str, bool] = {}
    for name in modules:
        if name in inside:
            continue
        parent = name.rpartition(".")[0]
        outermost = name not in holders and (name == "" or parent in holders or parent not in found)
        found[name] = outermost
    return found


def state_words(module: nn.Module, units: int) -> int:
    """Guess the state variables of a foreign neuron: the tensors of its own size that it keeps between calls."""
    kept = 0
    for part in module.modules():
        held = {**vars(part), **part._buffers, **vars(part).get("_memories", {})}.values()
        sizes = [value.numel() for value in held if isinstance(value, torch.Tensor)]
        kept += sum(size >= max(units, 2) and size % units == 0 for size in sizes)
    return kept
