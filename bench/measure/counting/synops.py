"""Exact synaptic operations of a layer: every (non-zero input, weight) pair, by a fan-out map made once per shape.

The map says how many weights each input position meets; it is the adjoint of "pad, then convolve with ones", so stride,
dilation, groups, every padding mode and transposed convolutions are all one case.
"""

from __future__ import annotations

import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bench.errors import BenchError
from bench.measure.counting.kinds import InputTally
from bench.measure.counting.tape import Value, spans
from bench.records.counts import InputKind, LayerCount

CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
TRANSPOSED = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)
SYNAPTIC = (*CONVOLUTIONS, *TRANSPOSED, nn.Linear)
_FORWARD: dict[int, Any] = {1: F.conv1d, 2: F.conv2d, 3: F.conv3d}
_BACKWARD: dict[int, Any] = {1: F.conv_transpose1d, 2: F.conv_transpose2d, 3: F.conv_transpose3d}


def layer_kind(layer: nn.Module) -> str:
    """Return "conv2d", "conv_transpose1d", "linear" ..., for subclasses of torch's layers too."""
    if isinstance(layer, nn.Linear):
        return "linear"
    prefix = "conv_transpose" if isinstance(layer, TRANSPOSED) else "conv"
    return f"{prefix}{_rank(layer)}d"


def fan_out_map(layer: nn.Module, input_shape: tuple[int, ...], output_shape: tuple[int, ...]) -> Tensor:
    """Return how many weights an input at each position meets: int64 of the spatial shape, the same in all channels.

    input_shape, output_shape: of one sample at one timestep, (C, *spatial); for a linear layer (..., features).
    """
    if isinstance(layer, nn.Linear):
        return torch.tensor(layer.out_features)
    # Counts need autograd, whatever mode the evaluation runs in. Autocast would make the ones bf16.
    with torch.inference_mode(False), torch.enable_grad(), torch.autocast("cpu", enabled=False):
        x = torch.ones(1, 1, *input_shape[1:], dtype=torch.float64, requires_grad=True)
        reached = _ones_like_layer(layer, x, output_shape[1:])
        (map_,) = torch.autograd.grad(reached.sum(), x)
    return map_[0, 0].round().to(torch.int64) * _outputs_per_input_channel(layer)


def dense_macs(layer: nn.Module, input_shape: tuple[int, ...], output_shape: tuple[int, ...]) -> int:
    """MACs of one pass of one sample as if nothing were zero, padding included (fvcore's convention)."""
    weight = layer.weight
    assert isinstance(weight, Tensor)
    if isinstance(layer, nn.Linear):
        return weight.numel() * math.prod(input_shape[:-1])
    return weight.numel() * math.prod((input_shape if isinstance(layer, TRANSPOSED) else output_shape)[1:])


class LayerTally:
    """The running count of one synaptic layer at one input shape; holds integers per position, never an input."""

    def __init__(
        self, name: str, layer: nn.Module, input_shape: tuple[int, ...], output_shape: tuple[int, ...]
    ) -> None:
        self.name, self.layer = name, layer
        self.input_shape, self.output_shape = input_shape, output_shape
        self.map = fan_out_map(layer, input_shape, output_shape)
        self.values = InputTally(name, self.map.dim())
        self.passes = 0  # (sample, timestep) pairs
        self.static = True

    def told(self, value: Value | None, claim: InputKind | None) -> None:
        """Take in what the tape knows of the next inputs; see `InputTally.told`."""
        self.values.told(value, claim)

    def add(self, x: Tensor, passes: int, repeats: int) -> None:
        """Count inputs x of `passes` (sample, timestep) pairs, each standing for `repeats` equal timesteps."""
        self.values.add(x, repeats)
        self.passes += passes * repeats
        self.static = self.static and repeats > 1

    @property
    def dense(self) -> int:
        """Dense MACs of one pass."""
        return dense_macs(self.layer, self.input_shape, self.output_shape)

    @property
    def dense_valid(self) -> int:
        """Dense MACs of one pass without padding taps: what an input without zeros meets."""
        if isinstance(self.layer, nn.Linear):
            return self.dense
        return int(self.map.sum()) * self.input_shape[0]

    def count(self, samples: int, claim: InputKind | None) -> LayerCount:
        """Return the record of what was added, `claim` being what is known of the network's own input."""
        found = self.values.decide(claim)
        map_ = self.map.to(found.nonzero.device)
        weight = self.layer.weight
        assert isinstance(weight, Tensor)
        return LayerCount(
            name=self.name,
            kind=layer_kind(self.layer),
            input_kind=found.kind,
            weight_shape=tuple(weight.shape),
            input_shape=self.input_shape,
            output_shape=self.output_shape,
            stride=() if isinstance(self.layer, nn.Linear) else tuple(self.layer.stride),  # type: ignore[arg-type]
            groups=1 if isinstance(self.layer, nn.Linear) else int(self.layer.groups),  # type: ignore[arg-type]
            has_bias=getattr(self.layer, "bias", None) is not None,
            samples=samples,
            timesteps=self.passes // samples,
            dense_macs_total=self.dense * self.passes,
            dense_macs_valid_total=self.dense_valid * self.passes,
            effective_synops_total=int((found.nonzero * map_).sum()),
            input_nonzero_total=int(found.nonzero.sum()),
            input_unit=found.unit,
            input_levels=found.max_level,
            graded_acs_total=None if found.levels is None else int((found.levels * map_).sum()),
            network_input=self.values.network_input,
            static_input=self.static,
        )


def split_input(
    layer: nn.Module, name: str, x: Tensor, y: Tensor, samples: int, timesteps: int
) -> tuple[Tensor, tuple[int, ...], tuple[int, ...], int, int]:
    """Return (inputs to count, input shape, output shape, passes, repeats) of one call of a synaptic layer.

    A sequence [T, N, ...] with stride 0 over T shows one image T times: it is counted once and repeated.
    Raises BenchError when the samples cannot be found in the shape.
    """
    if isinstance(layer, nn.Linear):
        split = spans(tuple(x.shape), samples, timesteps) if x.dim() > 1 else (1, tuple(x.shape))
        if split is None:
            raise BenchError(f"{name}: cannot find {samples} samples in an input of shape {tuple(x.shape)}")
        per_sample, input_shape = split
        output_shape = (*input_shape[:-1], y.shape[-1])
        lead = x.dim() - len(input_shape)
    else:
        lead = x.dim() - _rank(layer) - 1
        input_shape, output_shape = tuple(x.shape[lead:]), tuple(y.shape[lead:])
        per_sample, rest = divmod(math.prod(x.shape[:lead]), samples)
        if rest:
            raise BenchError(f"{name}: an input of shape {tuple(x.shape)} does not divide into {samples} samples")
    if lead == 2 and x.shape[0] == per_sample > 1 and x.stride(0) == 0:
        return x[0], input_shape, output_shape, samples, per_sample
    return x, input_shape, output_shape, samples * per_sample, 1


def _rank(layer: nn.Module) -> int:
    return len(layer.kernel_size)  # type: ignore[arg-type]


def _outputs_per_input_channel(layer: Any) -> int:
    return int(layer.out_channels // layer.groups)


def _ones_like_layer(layer: Any, x: Tensor, output_spatial: tuple[int, ...]) -> Tensor:
    rank = _rank(layer)
    ones = torch.ones(1, 1, *layer.kernel_size, dtype=x.dtype)
    if isinstance(layer, TRANSPOSED):
        # From the shape that came out, because a call may ask for its own output size.
        extra = [
            size_out - ((size_in - 1) * stride - 2 * padding + dilation * (kernel - 1) + 1)
            for size_out, size_in, stride, padding, dilation, kernel in zip(
                output_spatial, x.shape[2:], layer.stride, layer.padding, layer.dilation, layer.kernel_size, strict=True
            )
        ]
        result: Tensor = _BACKWARD[rank](x, ones, None, layer.stride, layer.padding, extra, 1, layer.dilation)
        return result
    padding = layer.padding
    if layer.padding_mode != "zeros":
        x, padding = F.pad(x, layer._reversed_padding_repeated_twice, mode=layer.padding_mode), 0
    reached: Tensor = _FORWARD[rank](x, ones, None, layer.stride, padding, layer.dilation)
    return reached
