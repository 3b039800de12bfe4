"""A network and the function that runs it on a batch, where the function does not call the network once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import nn

from bench.measure.counting.handed import tensors_in
from bench.measure.counting.nests import first_tensor

Run = Callable[[nn.Module, Any], Any]


class Called(nn.Module):
    """What happens to a batch, as one module: the network's parts keep their names and are the network's own."""

    def __init__(self, model: nn.Module, run: Run) -> None:
        super().__init__()
        self.training = model.training
        self._modules, self._parameters, self._buffers = model._modules, model._parameters, model._buffers
        self._whole = lambda batch: run(model, batch)  # the network itself is no part

    def forward(self, batch: Any, *inputs: Any) -> Any:
        """Return what the function makes of a batch, whose tensors `inputs` are."""
        return self._whole(batch)


def call(called: nn.Module, batch: Any) -> Any:
    """Run a `Called` on a batch of any kind, so that whoever hooks it sees the tensors."""
    return called(batch, *tensors_in(batch))


def calls(model: nn.Module, run: Run, batch: Any) -> int:
    """Return how often a function calls the network with tensors to see, by running it on a batch."""
    number = 0

    def count(module: nn.Module, args: Any, kwargs: Any) -> None:
        nonlocal number
        number += first_tensor((args, kwargs)) is not None

    hook = model.register_forward_pre_hook(count, with_kwargs=True)
    try:
        run(model, batch)
    finally:
        hook.remove()
    return number
