"""Exact synaptic operations of a layer: every (non-zero input, weight) pair, by a fan-out map made once per shape."""

from __future__ import annotations

import math

from torch import Tensor

from bench.measure.counting.batch import Batch
from bench.measure.counting.geometry import Geometry, dense_macs, fan_out_map, live_fan_out_map
from bench.measure.counting.kinds import InputTally
from bench.measure.counting.nodes import Value
from bench.measure.counting.rows import per_sample
from bench.measure.counting.timesteps import Timeline
from bench.records.counts import LayerCount, WeightKind
from bench.records.source import InputKind


class LayerTally:
    """The running count of one linear map at one input shape; holds integers per position, never an input.

    Where weights are zero, positions are counted by channel too, so that pairs without them can be told.
    """

    def __init__(
        self,
        name: str,
        geometry: Geometry,
        input_shape: tuple[int, ...],
        output_shape: tuple[int, ...],
        said: InputKind | None = None,
    ) -> None:
        """said: what the caller says of its inputs."""
        self.name, self.geometry = name, geometry
        self.input_shape, self.output_shape = input_shape, output_shape
        self.map = fan_out_map(geometry, input_shape, output_shape)
        self.values = InputTally(name, self.map.dim(), said)
        self.passes = 0  # of one sample through the map
        self.static = True
        self.timeline = Timeline()
        self._bits: set[int] = set()  # of what its inputs descend from; 0: as wide as the arithmetic is
        self.reason = ""  # why its input is of its kind, once counted
        self._zeros = int((geometry.weight == 0).sum())
        self._by_channel: Tensor | None = None  # non-zero inputs [C, *spatial] or [features], where weights are zero

    def told(self, value: Value | None, claim: InputKind | None) -> None:
        """Take in what the tape knows of the next inputs; see `InputTally.told`."""
        self.values.told(value, claim)
        if value is not None:
            self._bits.add(value.bits)

    def add(self, x: Tensor, passes: int, batch: Batch, steps: list[Tensor] | None, repeats: int = 1) -> None:
        """Count inputs x of `passes` passes, each standing for `repeats` equal timesteps.  steps: x by timestep."""
        if repeats > 1:
            self.values.add(x, self.timeline.place(repeats, batch), repeats)
        else:
            begin = self.timeline.place(None if steps is None else len(steps), batch)
            for index, step in enumerate([x] if steps is None else steps):
                self.values.add(step, begin + index)
        if self._zeros:
            kept = self.geometry.rank + 1 if self.geometry.rank else 1 + (self.geometry.stack > 1)
            part = (x != 0).reshape(-1, *x.shape[x.dim() - kept :]).sum(0).cpu() * repeats
            self._by_channel = part if self._by_channel is None else self._by_channel + part
        self.passes += passes * repeats
        self.static = self.static and repeats > 1

    @property
    def dense(self) -> int:
        """Dense MACs of one pass."""
        return dense_macs(self.geometry, self.input_shape, self.output_shape)

    @property
    def dense_valid(self) -> int:
        """Dense MACs of one pass without padding taps: what an input without zeros meets."""
        return int(self.map.sum()) * self.input_shape[0] if self.geometry.rank else self.dense

    def count(self, samples: int, claim: InputKind | None) -> LayerCount:
        """Return the record of what was added, `claim` being what is known of the network's own input."""
        found = self.values.decide(claim)
        self.reason = found.reason
        geometry, passes = self.geometry, per_sample(self.passes, samples)
        synops, inputs = _each(found.nonzero, self.map), _each(found.nonzero)
        acs = None if found.levels is None else _each(found.levels, self.map)
        told = passes > 1 and self.timeline.told(passes)
        return LayerCount(
            name=self.name,
            kind=geometry.kind,
            input_kind=found.kind,
            weight_shape=tuple(geometry.weight.shape),
            input_shape=self.input_shape,
            output_shape=self.output_shape,
            stride=geometry.stride,
            groups=geometry.groups,
            has_bias=geometry.has_bias,
            samples=samples,
            timesteps=passes,
            dense_macs_total=self.dense * self.passes,
            dense_macs_valid_total=self.dense_valid * self.passes,
            effective_synops_total=sum(synops),
            input_nonzero_total=sum(inputs),
            input_unit=found.unit,
            input_levels=found.max_level,
            graded_acs_total=None if acs is None else sum(acs),
            network_input=self.values.network_input,
            static_input=self.static,
            input_bits=max(self._bits) if found.kind == "analog" and self._bits and 0 not in self._bits else None,
            weight_bits=geometry.bits,
            zero_weights=self._zeros,
            weight_kind=kind_of_weights(geometry.weight),
            synops_without_zero_weights_total=self._without_zero_weights(),
            effective_synops_by_timestep=synops if told else None,
            input_nonzero_by_timestep=inputs if told else None,
            graded_acs_by_timestep=acs if told else None,
        )

    def _without_zero_weights(self) -> int | None:
        if self._by_channel is None:
            return None
        return int((self._by_channel * live_fan_out_map(self.geometry, self.input_shape, self.output_shape)).sum())


def _each(sums: Tensor, weights: Tensor | None = None) -> list[int]:
    """Add up [T, *positions], each position times its weight, for every timestep."""
    weighted = sums if weights is None else sums * weights.to(sums.device)
    return [int(total) for total in weighted.reshape(len(sums), -1).sum(1).tolist()]


def kind_of_weights(weight: Tensor) -> WeightKind | None:
    """Return whether all weights of every output are one magnitude, with zeros between them or not; else None."""
    sizes = weight.detach().abs().flatten(1)
    largest = sizes.amax(1, keepdim=True)
    if weight.numel() == weight.shape[0] or not bool(((sizes == largest) | (sizes == 0)).all()):
        return None
    return "ternary" if bool((sizes == 0).any()) else "binary"


def split_input(
    geometry: Geometry, x: Tensor, y: Tensor, split: tuple[int, tuple[int, ...]] | None, samples: int
) -> tuple[Tensor, tuple[int, ...], tuple[int, ...], int, int]:
    """Return (inputs to count, input shape, output shape, passes, repeats) of one call of a synaptic layer.

    split: (passes, shape of one) of a linear layer's input, None where no samples are found in it: then every row is a
    pass. A sequence [T, N, ...] with stride 0 over T shows one image T times: it is counted once and repeated.
    """
    if not geometry.rank:
        passes, input_shape = split or (x.numel() // x.shape[-1], (x.shape[-1],))
        output_shape = (*input_shape[:-1], y.shape[-1])
        lead = x.dim() - len(input_shape)
    else:
        lead = x.dim() - geometry.rank - 1
        input_shape, output_shape = tuple(x.shape[lead:]), tuple(y.shape[lead:])
        passes = math.prod(x.shape[:lead])
    if lead == 2 and x.shape[0] * samples == passes > samples and x.stride(0) == 0:
        return x[0], input_shape, output_shape, samples, x.shape[0]
    return x, input_shape, output_shape, passes, 1
