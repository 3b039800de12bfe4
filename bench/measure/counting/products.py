"""Products of two activations, as in attention: pairs of two non-zero operands, by what both are."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor

from bench.measure.counting.kinds import Found, InputTally
from bench.measure.counting.rows import per_sample
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
        self._calls = self._pairs = self._dense = 0
        # Pairs weighted by the size of one operand, in the units that are known in the end.
        self._left_sum = self._right_sum = 0.0

    def add_matrices(self, a: Tensor, b: Tensor) -> None:
        """Count a [..., M, K] times b [..., K, N]."""

        def meet(left: Tensor, right: Tensor) -> float:
            return float((left.sum(-2, dtype=torch.float64) * right.sum(-1, dtype=torch.float64)).sum())

        self.add(a, b, meet, a.numel() * b.shape[-1])

    def add(self, a: Tensor, b: Tensor, meet: Callable[[Tensor, Tensor], float], dense: int) -> None:
        """Count one call with `dense` products; meet(x, y) is the sum of all x y."""
        self.left.add(a)
        self.right.add(b)
        some_a, some_b = (a != 0).to(a.dtype), (b != 0).to(b.dtype)
        self._pairs += round(meet(some_a, some_b)) * self.times
        self._left_sum += meet(a.abs(), some_b) * self.times
        self._right_sum += meet(some_a, b.abs()) * self.times
        self._dense += dense * self.times
        self._calls += math.prod(a.shape) // max(1, math.prod(self.shapes[0]))

    def count(self, samples: int, claim: InputKind | None) -> LayerCount:
        """Return the record of what was added, `claim` being what is known of the network's own input."""
        left, right = self.left.decide(claim), self.right.decide(claim)
        spike, other, sum_ = left, right, self._left_sum
        if left.kind == "analog" or (left.kind == "graded" and right.kind in ("binary", "ternary")):
            spike, other, sum_ = right, left, self._right_sum
        if self.kind == "bilinear" and "analog" in (left.kind, right.kind):
            spike, other = Found("analog", left.nonzero), spike  # what meets the weight is a product of values
        self.reason = f"{left.kind} ({left.reason}) x {right.kind} ({right.reason})"
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
            effective_synops_total=self._pairs,
            input_nonzero_total=int(left.nonzero.sum()),
            input_unit=spike.unit,
            input_levels=spike.max_level,
            graded_acs_total=round(sum_ / spike.unit) if spike.kind == "graded" and spike.unit else None,
            network_input=self.left.network_input or self.right.network_input,
        )
