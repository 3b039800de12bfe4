"""Networks built to be looked at, without memory and without weights."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

_DRAWS = {Tensor.normal_, Tensor.uniform_}


@contextlib.contextmanager
def weightless() -> Iterator[None]:
    """Build what the block builds on torch's "meta" device, where initial weights are not drawn either.

    There is nothing to draw there, and torch imports its whole compiler, seconds of work, to draw it.
    """
    with torch.device("meta"), _Undrawn():
        yield


class _Undrawn(TorchFunctionMode):
    def __torch_function__(
        self, function: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if function in _DRAWS:
            return args[0]
        return function(*args, **(kwargs or {}))
