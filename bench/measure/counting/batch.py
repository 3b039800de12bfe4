"""The batch that passes through a counted network, its axes, and the tape that it is recorded on."""

from __future__ import annotations

from collections import Counter as Multiset
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from torch import Tensor

from bench.errors import BenchError
from bench.measure.counting.nodes import Value
from bench.measure.counting.tape import Take, Tape, new_tape

Key = tuple[str, tuple[int, ...]]  # a module and the shape of one pass: what is used at two shapes is counted apart

Layout = Literal["TN", "NT", "N"]
LAYOUTS = {
    "TN": "[T, N, ...], timesteps first",
    "NT": "[N, T, ...], samples first",
    "N": "[N, ...], without timesteps, or the network makes them",
}


@dataclass
class Batch:
    """What every hook has to know of the batch that is passing.

    axes: of the k-th output of a module, which of its axes has the samples, as `axes.batch_axes` finds it.
    """

    layout: Layout
    samples: int = 0
    timesteps: int = 1
    input_shape: tuple[int, ...] = ()  # of the network's input
    idle: bool = False  # it is not counted
    number: int = 0  # batches so far, this one among them
    tape: Tape | None = None
    axes: Mapping[tuple[str, int], int] = field(default_factory=dict)
    _calls: Multiset[str] = field(default_factory=Multiset)

    def begin_tape(self, x: Tensor, value: Value, take: Take) -> None:
        """Record from here on, the network's input x showing `value`."""
        self._calls.clear()
        self.number += 1
        self.tape = new_tape(take)
        self.tape.mark(x, value)
        self.tape.start()

    def end_tape(self) -> Tape | None:
        """Record no more; return the tape, if there was one."""
        tape, self.tape = self.tape, None
        if tape is not None:
            tape.stop()
        return tape

    def taped(self, x: Tensor) -> Value | None:
        """Return what the tape knows of a tensor; None without a tape, and for a constant of the network."""
        return None if self.tape is None else self.tape.value(x)

    def split(self, name: str, y: Tensor) -> tuple[int, tuple[int, ...]]:
        """Split what a module puts out into (passes, shape of one); a row is a pass where no samples are found."""
        call = self._calls[name]
        self._calls[name] += 1
        axis, shape = self.axes.get((name, call)), tuple(y.shape)
        if axis is not None and axis < len(shape):
            return _product(shape[: axis + 1]), shape[axis + 1 :]
        return self.spans(shape) or (shape[0] if len(shape) > 1 else 1, shape[1:] if len(shape) > 1 else shape)

    def spans(self, shape: tuple[int, ...]) -> tuple[int, tuple[int, ...]] | None:
        """Split a shape into (passes, shape of one); None where the samples are not in front.

        Understood: [T, N, ...], [N, T, ...], both folded, [N, ...] and, for a network that makes its own time,
        [T', N, ...] and [T'*N, ...].
        """
        samples, timesteps = self.samples, self.timesteps
        if len(shape) >= 2 and sorted(shape[:2]) == sorted((timesteps, samples)) and self.layout != "N":
            return timesteps * samples, shape[2:]
        if not shape:
            return None
        if shape[0] % samples == 0:
            return shape[0], shape[1:]
        if len(shape) >= 2 and shape[1] == samples:
            return shape[0] * samples, shape[2:]
        return None


def check_layout(layout: str | None) -> None:
    """Raise BenchError for a layout that is none."""
    if layout is not None and layout not in LAYOUTS:
        known = "; ".join(f"'{name}': {words}" for name, words in LAYOUTS.items())
        raise BenchError(f"layout '{layout:.60}': there is no such layout; known are {known}")


def _product(extents: tuple[int, ...]) -> int:
    found = 1
    for extent in extents:
        found *= extent
    return found
