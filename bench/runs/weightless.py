"""Networks built to be looked at, without memory and without weights."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

_DRAWS = {Tensor.normal_, Tensor.uniform_}
_SCALES = {Tensor.mul, Tensor.__mul__, Tensor.__rmul__, Tensor.sub, Tensor.__sub__}  # what was drawn


@contextlib.contextmanager
def weightless() -> Iterator[None]:
    """Build what the block builds on torch's "meta" device, where initial weights are not drawn either.

    There is nothing to draw there, and torch imports its whole compiler, seconds of work, to draw it, or to scale it.
    """
    with torch.device("meta"), _Undrawn():
        yield


class _Undrawn(TorchFunctionMode):
    def __torch_function__(
        self, function: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if function in _DRAWS or (function in _SCALES and not isinstance(args[1], Tensor)):
            return args[0]
        if function is torch.empty_like:
            return torch.empty(args[0].shape, dtype=(kwargs or {}).get("dtype") or args[0].dtype)
        return function(*args, **(kwargs or {}))
