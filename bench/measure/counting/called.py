"""A network and the function that runs it on a batch, where the function calls the network several times."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import nn

Run = Callable[[nn.Module, Any], Any]


class Called(nn.Module):
    """What happens to a batch, as one module: the network's parts keep their names and are the network's own."""

    def __init__(self, model: nn.Module, run: Run) -> None:
        super().__init__()
        self.training = model.training
        self._modules, self._parameters, self._buffers = model._modules, model._parameters, model._buffers
        self._whole = lambda batch: run(model, batch)  # the network itself is no part

    def forward(self, batch: Any) -> Any:
        """Return what the function makes of a batch."""
        return self._whole(batch)


def calls(model: nn.Module, run: Run, batch: Any) -> int:
    """Return how often a function calls the network on a batch, by running it."""
    number = 0

    def count(module: nn.Module, args: Any) -> None:
        nonlocal number
        number += 1

    hook = model.register_forward_pre_hook(count)
    try:
        run(model, batch)
    finally:
        hook.remove()
    return number
