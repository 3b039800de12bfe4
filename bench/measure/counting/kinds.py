"""The kind of a layer's inputs (binary, ternary, graded, analog), decided over a whole evaluation without keeping it.

Inputs are folded into integers per position, in chunks: where they are not zero, and, for graded values, how many
units they hold. A finer unit found later rescales what was counted, so the answer does not depend on the batching.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from bench.errors import BenchError
from bench.measure.counting.nodes import Value
from bench.measure.counting.sums import Sums
from bench.records.source import InputKind

MAX_LEVELS = 64  # of a unit that is looked for in the values; one that pooling tells may have any number
RELATIVE_TOLERANCE, ROUNDING = 1e-4, 2e-6
# Elements at a time: a cache-sized piece on a CPU; float32 sums of ones stay exact up to 2^24 of them.
CHUNK = {"cpu": 1 << 16}
_CHUNK_ELSEWHERE = 1 << 24


@dataclass(frozen=True)
class Found:
    """What the inputs turned out to be.

    `nonzero` and `levels` are int64 per timestep and position, [T, *positions], summed over everything else.
    """

    kind: InputKind
    nonzero: Tensor
    unit: float | None = None
    max_level: int | None = None
    levels: Tensor | None = None
    reason: str = ""


class InputTally:
    """The running decision for one layer, which knows of its inputs' origin what it is `told`."""

    def __init__(self, name: str, spatial_rank: int, said: InputKind | None = None) -> None:
        """said: what the caller says of these inputs, whatever they descend from."""
        self.name, self.said = name, said
        self.network_input = False  # it is the network's own input, of which the caller may have said what it is
        self._made_by: str | None = None  # what made it something else than spikes or event counts
        self._parts = 0  # that pooling has divided a spike into, as far as that is known
        self._counts = False  # the caller has said that they are graded: whole numbers are levels of 1, however many
        self._analog = said == "analog"
        self.ternary = False  # a negative value was seen among -1, 0, 1
        self.unit: float | None = None
        self.max_level = 0
        self._pooled = False  # the unit is what pooling left of a spike, of which a value may hold any number
        self._rank = spatial_rank
        # By timestep, at each position:
        self._ones = Sums()  # values in {-1, 0, 1}
        self._others = Sums()  # non-zero values in all other chunks
        self._levels = Sums()  # the units those hold

    @property
    def ones_alone(self) -> bool:
        """Whether all that was counted so far is 0 or 1."""
        return not self._analog and not self.ternary and not len(self._others)

    def told(self, value: Value | None, claim: InputKind | None) -> None:
        """Take in what the next inputs descend from, None for a constant, and what is said of the network's input."""
        if value is None:
            return
        self.network_input = self.network_input or value.network_input
        claim = self.said or (claim if self.network_input else None)
        self._counts = self._counts or claim == "graded"
        self._parts = max(self._parts, value.parts)
        if not value.discrete and not value.network_input and self.said is None:
            self._made_by = self._made_by or value.origin or "the network"
        self._analog = self._analog or self._made_by is not None or claim == "analog"

    def add(self, x: Tensor, at: int = 0, repeats: int = 1) -> None:
        """Count x [..., *spatial] at a timestep, or as it is at so many. A linear layer has no spatial axes."""
        if not x.numel():
            return
        # [samples, C, *spatial], or [values] where there are no spatial axes: a view but for odd strides
        lead = x.dim() - self._rank
        x = x.reshape(-1) if self._rank == 0 else x.flatten(0, lead - 2) if lead > 2 else x
        lead = x.dim() - self._rank
        per_row = max(1, x[0].numel())
        limit = CHUNK.get(x.device.type, _CHUNK_ELSEWHERE)
        for chunk in torch.split(x, max(1, limit // per_row)):
            self._add_chunk(
                chunk if chunk.dtype in (torch.float32, torch.float64) else chunk.float(), lead, at, repeats
            )

    def _add_chunk(self, chunk: Tensor, lead: int, at: int, repeats: int) -> None:
        axes = tuple(range(lead))
        if self._analog:
            self._refuse_nan(chunk)
            self._others.add(_count(chunk.sign().abs_(), axes), at, repeats)
            return
        # x - x^2 is 0 for 0 and 1 alone, in floating point too: the shortest way through what most chunks are.
        low, high = torch.aminmax(torch.addcmul(chunk, chunk, chunk, value=-1))
        if bool(low == 0) and bool(high == 0):
            self._ones.add(_count(chunk, axes), at, repeats)
            return
        sign = chunk.sign()
        mask = sign.abs()
        if torch.equal(chunk, sign):
            self.ternary = True
            self._ones.add(_count(mask, axes), at, repeats)
            return
        self._refuse_nan(chunk)
        self._others.add(_count(mask, axes), at, repeats)
        magnitude = chunk.abs()
        if not self._fit(magnitude):
            self._analog, self._levels = True, Sums()
            return
        assert self.unit is not None
        levels = (magnitude / self.unit).round_()
        self._levels.add(levels.sum(axes, dtype=torch.float64).to(torch.int64), at, repeats)

    def _refuse_nan(self, chunk: Tensor) -> None:
        if bool(chunk.sum().isnan()):
            raise BenchError(f"{self.name}: its input is not a number in places; such a network cannot be counted")

    def _fit(self, magnitude: Tensor) -> bool:
        """Make the unit divide these magnitudes too; False where no unit with few enough levels does."""
        if self._counts and self.unit in (None, 1.0) and torch.equal(magnitude, magnitude.round()):
            self.unit, self.max_level = 1.0, max(self.max_level, int(magnitude.max()))
            return True
        if self.unit is not None and not self._pooled and _fits(magnitude, self.unit):
            self.max_level = max(self.max_level, round(float(magnitude.max()) / self.unit))
            return True
        unit = None if self._pooled else self._found(magnitude)
        pooled = unit is None and self._parts > 0 and _whole(magnitude.double() * self._parts)
        if pooled:
            self._pooled, unit = True, 1.0 / self._parts
        if unit is None:
            return False
        self._refine(unit)
        self.max_level = max(self.max_level, round(float(magnitude.max()) / unit))
        return pooled or self.max_level <= MAX_LEVELS

    def _found(self, magnitude: Tensor) -> float | None:
        """Look for a unit in the values; a look at a few spares sorting many."""
        unit = None
        for sample in (magnitude.flatten()[: 4 * MAX_LEVELS], magnitude):
            values = torch.unique(sample[sample > 0]).double()
            unit = _common_unit(values if self.unit is None else torch.cat([values, values.new_tensor([self.unit])]))
            if unit is None:
                break
        return unit

    def _refine(self, unit: float) -> None:
        if self.unit is not None:
            factor = round(self.unit / unit)
            self.max_level *= factor
            self._levels.scale(factor)
        self.unit = unit

    def decide(self, claim: InputKind | None) -> Found:
        """Return kind, counts and why. `claim` is what the caller says of the network's input, and applies to it alone.

        Raises BenchError, naming the layer, when the values contradict a claim of binary or ternary.
        """
        length = max(1, len(self._ones), len(self._others))
        ones, others = self._ones.total(length), self._others.total(length)
        nonzero = torch.zeros(length, *[1] * self._rank, dtype=torch.int64)
        for part in (ones, others):
            nonzero = nonzero if part is None else part + nonzero.to(part.device)
        claim = self.said or (claim if self.network_input else None)
        if self._made_by is not None and self.said is None:
            return Found("analog", nonzero, reason=f"made by {self._made_by}")
        if claim == "analog":
            return Found("analog", nonzero, reason="said to be")
        found = Found("analog", nonzero, reason="values without a common unit")
        if others is None:
            found = Found("ternary" if self.ternary else "binary", nonzero, reason="spikes")
        elif not self._analog:
            found = self._graded(nonzero, ones)
        if claim in ("binary", "ternary") and found.kind not in ("binary", claim):
            option = "kinds" if self.said else "input_kind"
            raise BenchError(
                f"{self.name}: its input was said to be {claim}, and is {found.kind}; "
                f"leave it out of {option} to let the values decide"
            )
        return found if claim is None else replace(found, reason="said to be")

    def _graded(self, nonzero: Tensor, ones: Tensor | None) -> Found:
        levels = self._levels.total(len(nonzero))
        assert self.unit is not None and levels is not None
        if ones is None or not bool(ones.any()):
            return Found("graded", nonzero, self.unit, self.max_level, levels, reason=_multiples(self.unit))
        unit = self.unit if self._pooled else _common_unit(torch.tensor([1.0, self.unit], dtype=torch.float64))
        if unit is None:
            return Found("analog", nonzero, reason="values without a common unit")
        factor, ones_level = round(self.unit / unit), round(1.0 / unit)
        max_level = max(self.max_level * factor, ones_level)
        if max_level > MAX_LEVELS and not self._pooled and not (self._counts and unit == 1.0):
            return Found("analog", nonzero, reason="values without a common unit")
        levels = levels * factor + ones * ones_level
        return Found("graded", nonzero, unit, max_level, levels, reason=_multiples(unit))


def _count(mask: Tensor, axes: tuple[int, ...]) -> Tensor:
    return mask.sum(axes).to(torch.int64)


def _multiples(unit: float) -> str:
    return f"spikes, summed, scaled or pooled: multiples of {unit:.6g}"


def _fits(magnitude: Tensor, unit: float) -> bool:
    levels = magnitude / unit
    near = (levels - levels.round()).abs() <= RELATIVE_TOLERANCE * levels
    return bool(near.all()) and float(levels.max()) < MAX_LEVELS + 0.5


def _whole(levels: Tensor) -> bool:
    """Whether all are whole numbers but for float32's rounding."""
    return bool(((levels - levels.round()).abs() <= ROUNDING * levels.clamp(min=1.0)).all())


def _common_unit(values: Tensor) -> float | None:
    """Return the largest unit that all values are multiples of, at most MAX_LEVELS each; None where there is none."""
    if not values.numel():
        return 1.0
    smallest, largest = float(values.min()), float(values.max())
    for divisor in range(1, MAX_LEVELS + 1):
        unit = smallest / divisor
        if largest / unit >= MAX_LEVELS + 0.5:
            return None
        if _fits(values, unit):
            return unit
    return None
