"""Mixed precision as torch's autocast does it, also where the processor has no arithmetic in bf16."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from bench.processor import multiplies_bf16

_CAST = (torch.float32, torch.bfloat16, torch.float16)
DTYPES = {"bf16": torch.bfloat16, "fp16": torch.float16}

# What autocast computes in bf16 on a CPU, by every name it is called by: sums of products.
_MULTILINEAR = frozenset(
    [
        functional.linear,
        *(functional.conv1d, functional.conv2d, functional.conv3d),
        *(functional.conv_transpose1d, functional.conv_transpose2d, functional.conv_transpose3d),
        *(torch.mm, torch.bmm, torch.matmul, torch.addmm, torch.addbmm, torch.baddbmm),
        *(Tensor.mm, Tensor.bmm, Tensor.matmul, Tensor.addmm, Tensor.addbmm, Tensor.baddbmm),
        *(Tensor.__matmul__, Tensor.__rmatmul__),
    ]
)


@contextlib.contextmanager
def autocast(device: torch.device, precision: str) -> Iterator[None]:
    """Compute a forward pass in `precision` ("fp32", "bf16", "fp16"), and the backward pass of what it computed.

    Where the processor cannot multiply in bf16, torch's kernels take many times as long as in float32. Layers are then
    computed in float32 over operands rounded to bf16, and their results rounded to bf16, forward and backward: what
    hardware with bf16 does, but for the order of the sums.
    """
    dtype = DTYPES.get(precision)
    with torch.autocast(device.type, dtype=dtype or torch.bfloat16, enabled=dtype is not None):
        with InFloat32() if _emulated(device, precision) else contextlib.nullcontext():
            yield


def product_dtype(device: torch.device, precision: str) -> torch.dtype:
    """Return what the products of a pass in `precision` are computed in: float32 where bf16 is not in the hardware."""
    return torch.float32 if _emulated(device, precision) else DTYPES.get(precision, torch.float32)


def _emulated(device: torch.device, precision: str) -> bool:
    return device.type == "cpu" and precision == "bf16" and not multiplies_bf16()


class InFloat32(TorchFunctionMode):
    """Sums of products under autocast, in float32 over rounded operands.

    Each cast rounds what passes it backward too: gradients of operands are summed in float32 and rounded to bf16.
    """

    def __torch_function__(
        self, func: Callable[..., Any], types: Sequence[type], args: Sequence[Any] = (), kwargs: Any = None
    ) -> Any:
        """Compute one function of torch's, as a layer or, where autocast leaves it alone, as it is."""
        kwargs = kwargs or {}
        if func not in _MULTILINEAR or not torch.is_autocast_enabled("cpu") or not _is_cast(args, kwargs):
            return func(*args, **kwargs)
        with torch.autocast("cpu", enabled=False):
            return func(*map(_rounded, args), **{name: _rounded(value) for name, value in kwargs.items()}).bfloat16()


def _is_cast(args: Sequence[Any], kwargs: dict[str, Any]) -> bool:
    """Whether autocast would cast these: tensors neither of float64 nor of whole numbers, and no output is given."""
    tensors = [value for value in [*args, *kwargs.values()] if isinstance(value, Tensor)]
    return kwargs.get("out") is None and all(tensor.dtype in _CAST for tensor in tensors)


def _rounded(value: Any) -> Any:
    """Return a float tensor's values to the nearest in bf16, in float32; anything else as it is."""
    if isinstance(value, Tensor) and value.is_floating_point():
        return value.bfloat16().float()
    if isinstance(value, tuple | list) and not isinstance(value, torch.Size):
        return type(value)(map(_rounded, value))
    return value
