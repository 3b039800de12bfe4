"""Products of two activations, as in attention: pairs of two non-zero operands, by what both are."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Literal

import torch
from torch import Tensor

from bench.measure.counting.batch import Batch
from bench.measure.counting.kinds import Found, InputTally
from bench.measure.counting.rows import per_sample
from bench.measure.counting.timesteps import Timeline, rows_by_timestep
from bench.records.counts import LayerCount
from bench.records.source import InputKind

Shapes = tuple[tuple[int, ...], tuple[int, ...]]


class ProductTally:
    """The running count of one product of two activations; `times` outputs share each pair of a bilinear layer.

    Two spikes, or a spike and a value, are an accumulate where they meet, of a graded spike one for each level; two
    values are a multiply-accumulate.
    """

    def __init__(
        self,
        name: str,
        kind: Literal["matmul", "bilinear"] | str,
        shapes: Shapes,
        times: int = 1,
        said: InputKind | None = None,
    ) -> None:
        """shapes: of both operands of one call, without samples.  said: what the caller says both are."""
        self.name, self.kind, self.shapes, self.times = name, kind, shapes, times
        self.left, self.right = InputTally(name, 0, said), InputTally(name, 0, said)
        self.reason = ""
        self._calls = self._dense = 0
        self._timeline, self._timesteps = Timeline(), 1
        self._pairs: list[int] = []  # by timestep, as all that follows
        # Pairs weighted by the size of one operand, in the units that are known in the end.
        self._left_sums: list[float] = []
        self._right_sums: list[float] = []

    def add_matrices(self, a: Tensor, b: Tensor, batch: Batch) -> None:
        """Count a [..., M, K] times b [..., K, N]."""

        def meet(left: Tensor, right: Tensor) -> float:
            return float((left.sum(-2, dtype=torch.float64) * right.sum(-1, dtype=torch.float64)).sum())

        steps = list(zip(rows_by_timestep(a, batch), rows_by_timestep(b, batch), strict=True))
        self.add(steps, meet, a.numel() * b.shape[-1], batch)

    def add(
        self, steps: list[tuple[Tensor, Tensor]], meet: Callable[[Tensor, Tensor], float], dense: int, batch: Batch
    ) -> None:
        """Count one call with `dense` products: its operands at each timestep; meet(x, y) is the sum of all x y."""
        begin, self._timesteps = self._timeline.place(len(steps), batch), batch.timesteps
        for index, (a, b) in enumerate(steps):
            self.left.add(a, begin + index)
            self.right.add(b, begin + index)
            # As long as all that came is 0 or 1, its size is whether it is there.
            some_a = a if self.left.ones_alone else (a != 0).to(a.dtype)
            some_b = b if self.right.ones_alone else (b != 0).to(b.dtype)
            pairs = meet(some_a, some_b)
            _add(self._pairs, round(pairs) * self.times, begin + index)
            sums = pairs if some_a is a else meet(a.abs(), some_b)
            _add(self._left_sums, sums * self.times, begin + index)
            sums = pairs if some_b is b else meet(some_a, b.abs())
            _add(self._right_sums, sums * self.times, begin + index)
            self._calls += math.prod(a.shape) // max(1, math.prod(self.shapes[0]))
        self._dense += dense * self.times

    def count(self, samples: int, claim: InputKind | None) -> LayerCount:
        """Return the record of what was added, `claim` being what is known of the network's own input."""
        left, right = self.left.decide(claim), self.right.decide(claim)
        spike, other, sums = left, right, self._left_sums
        if left.kind == "analog" or (left.kind == "graded" and right.kind in ("binary", "ternary")):
            spike, other, sums = right, left, self._right_sums
        if self.kind == "bilinear" and "analog" in (left.kind, right.kind):
            spike, other = Found("analog", left.nonzero), spike  # what meets the weight is a product of values
        self.reason = f"{left.kind} ({left.reason}) x {right.kind} ({right.reason})"
        unit = spike.unit if spike.kind == "graded" else None
        acs = [round(each / unit) for each in sums] if unit else None
        told = self._timesteps > 1 and self._timeline.told(self._timesteps)
        (inputs, more), rows = self.shapes, per_sample(self._calls, samples)
        return LayerCount(
            name=self.name,
            kind=self.kind,
            input_kind=spike.kind,
            second_kind=other.kind,
            weight_shape=(1, *more) if len(more) < 2 else more,
            input_shape=inputs,
            output_shape=(self.times,) if self.kind == "bilinear" else (*inputs[:-1], more[-1]),
            has_bias=False,
            samples=samples,
            timesteps=rows,
            dense_macs_total=self._dense,
            dense_macs_valid_total=self._dense,
            effective_synops_total=sum(self._pairs),
            input_nonzero_total=int(left.nonzero.sum()),
            input_unit=spike.unit,
            input_levels=spike.max_level,
            graded_acs_total=None if acs is None else sum(acs),
            network_input=self.left.network_input or self.right.network_input,
            effective_synops_by_timestep=self._pairs if told else None,
            input_nonzero_by_timestep=left.nonzero.flatten().tolist() if told else None,
            graded_acs_by_timestep=acs if told else None,
        )


def _add(sums: list[Any], part: float, at: int) -> None:
    sums += [0] * (at + 1 - len(sums))
    sums[at] += part
