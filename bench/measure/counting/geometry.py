"""Which weights an input meets: the shape of one linear map, whatever module or function it came from.

The fan-out map says how many weights each input position meets; it is the adjoint of "pad, then convolve with ones", so
stride, dilation, groups, every padding mode and transposed convolutions are all one case.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrize import is_parametrized

CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
TRANSPOSED = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)
SYNAPTIC = (*CONVOLUTIONS, *TRANSPOSED, nn.Linear)
_FORWARD: dict[int, Any] = {1: F.conv1d, 2: F.conv2d, 3: F.conv3d}
_BACKWARD: dict[int, Any] = {1: F.conv_transpose1d, 2: F.conv_transpose2d, 3: F.conv_transpose3d}


@dataclass(frozen=True)
class Geometry:
    """One linear map. `weight` is what was used, of which shape and zeros count; a linear one is [outputs, inputs]."""

    weight: Tensor = field(repr=False)
    has_bias: bool
    rank: int = 0  # spatial axes; 0 for a linear layer
    stride: tuple[int, ...] = ()
    padding: Any = 0
    dilation: tuple[int, ...] = ()
    groups: int = 1
    transposed: bool = False
    stack: int = 1  # linear maps beside one another, each with inputs of its own: [stack * outputs, inputs]
    bits: int | None = None  # of a weight that is used, where something has said so
    wrapped: Any = None  # (padding on each side, mode) of a convolution that pads with copies of its input

    @property
    def kind(self) -> str:
        """Return "conv2d", "conv_transpose1d", "linear" ..."""
        return f"{'conv_transpose' if self.transposed else 'conv'}{self.rank}d" if self.rank else "linear"

    @property
    def outputs_per_channel(self) -> int:
        """How many output channels one input channel reaches."""
        return self.weight.shape[1] if self.transposed else self.weight.shape[0] // self.groups


def geometry_of(layer: nn.Module) -> Geometry:
    """Return the map of a module of `SYNAPTIC`, its weight being the one that it would use now."""
    module: Any = layer
    if isinstance(layer, nn.Linear):
        return Geometry(module.weight, module.bias is not None, bits=_bits_of_weights(layer))
    wraps = module.padding_mode != "zeros"
    return Geometry(
        module.weight,
        module.bias is not None,
        len(module.kernel_size),
        tuple(module.stride),
        0 if wraps else module.padding,
        tuple(module.dilation),
        int(module.groups),
        isinstance(layer, TRANSPOSED),
        bits=_bits_of_weights(layer),
        wrapped=(module._reversed_padding_repeated_twice, module.padding_mode) if wraps else None,
    )


def _bits_of_weights(layer: nn.Module) -> int | None:
    """Return the width of weights that a parametrization hands on, as the last of them says in `bits`."""
    if not is_parametrized(layer, "weight"):
        return None
    parametrized: Any = layer
    bits = getattr(parametrized.parametrizations["weight"][-1], "bits", None)
    return bits if isinstance(bits, int) else None


def fan_out_map(geometry: Geometry, input_shape: tuple[int, ...], output_shape: tuple[int, ...]) -> Tensor:
    """Return how many weights an input at each position meets: int64 of the spatial shape, the same in all channels.

    input_shape, output_shape: of one sample at one timestep, (C, *spatial); for a linear layer (..., features).
    """
    if not geometry.rank:
        return torch.tensor(geometry.weight.shape[0] // geometry.stack)
    with torch.inference_mode(False):
        kernel = torch.ones(1, 1, *geometry.weight.shape[2:], dtype=torch.float64)
    return _reached(geometry, kernel, input_shape[1:], output_shape[1:])[0] * geometry.outputs_per_channel


def live_fan_out_map(geometry: Geometry, input_shape: tuple[int, ...], output_shape: tuple[int, ...]) -> Tensor:
    """Return how many weights that are not zero an input meets: int64 [C, *spatial], linear [stack, features]."""
    used = (geometry.weight != 0).double().cpu()
    if not geometry.rank:
        return used.unflatten(0, (geometry.stack, -1)).sum(1).round().to(torch.int64)
    # Of each input channel, the weights of all outputs that it reaches, added up: one kernel a channel.
    if geometry.transposed:
        kernels = used.sum(1)
    else:
        outputs = geometry.outputs_per_channel
        kernels = used.unflatten(0, (geometry.groups, outputs)).sum(1).flatten(0, 1)
    return _reached(geometry, kernels.unsqueeze(1), input_shape[1:], output_shape[1:])


def dense_macs(geometry: Geometry, input_shape: tuple[int, ...], output_shape: tuple[int, ...]) -> int:
    """MACs of one pass of one sample as if nothing were zero, padding included (fvcore's convention)."""
    if not geometry.rank:
        return geometry.weight.numel() * math.prod(input_shape[:-1]) // geometry.stack
    return geometry.weight.numel() * math.prod((input_shape if geometry.transposed else output_shape)[1:])


def _reached(geometry: Geometry, kernels: Tensor, size_in: tuple[int, ...], size_out: tuple[int, ...]) -> Tensor:
    """Add up, for every position of an input [C, *size_in], the taps of `kernels` [C, 1, ...] that it meets."""
    channels = kernels.shape[0]
    # Counts need autograd, whatever mode the evaluation runs in. Autocast would make the ones bf16.
    with torch.inference_mode(False), torch.enable_grad(), torch.autocast("cpu", enabled=False):
        x = torch.ones(1, channels, *size_in, dtype=torch.float64, requires_grad=True)
        if geometry.transposed:
            # To the shape that came out, because a call may ask for its own output size.
            extra = [
                out - ((n - 1) * step - 2 * pad + dilation * (taps - 1) + 1)
                for out, n, step, pad, dilation, taps in zip(
                    size_out,
                    size_in,
                    geometry.stride,
                    geometry.padding,
                    geometry.dilation,
                    kernels.shape[2:],
                    strict=True,
                )
            ]
            y = _BACKWARD[geometry.rank](
                x, kernels, None, geometry.stride, geometry.padding, extra, channels, geometry.dilation
            )
        else:
            padded = x if geometry.wrapped is None else F.pad(x, geometry.wrapped[0], mode=geometry.wrapped[1])
            y = _FORWARD[geometry.rank](
                padded, kernels, None, geometry.stride, geometry.padding, geometry.dilation, channels
            )
        (found,) = torch.autograd.grad(y.sum(), x)
    return found[0].round().to(torch.int64)
