"""Networks built to be looked at, without memory and without weights."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn
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
        kwargs = kwargs or {}
        if function in _DRAWS:
            return args[0]
        if function in _SCALES and not kwargs and _is_drawn(args[0]) and isinstance(args[1], int | float):
            return torch.empty(args[0].shape, dtype=args[0].dtype)
        if function is torch.empty_like and len(args) == 1 and kwargs.keys() == {"dtype"}:
            return torch.empty(args[0].shape, dtype=kwargs["dtype"])
        return function(*args, **kwargs)


def _is_drawn(tensor: Any) -> bool:
    """Whether a tensor may be what initial weights are drawn into: numbers in float64, and no parameter."""
    return isinstance(tensor, Tensor) and not isinstance(tensor, nn.Parameter) and tensor.dtype == torch.float64
