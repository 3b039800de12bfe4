"""The batch that passes through a counted network, and the tape that the first one is recorded on."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from bench.errors import BenchError
from bench.measure.counting.tape import Tape, Value, spans

Key = tuple[str, tuple[int, ...]]  # a module and the shape of one pass: what is used at two shapes is counted apart


@dataclass
class Batch:
    """What every hook has to know of the batch that is passing."""

    samples: int = 0
    timesteps: int = 1
    idle: bool = False  # it is not counted
    tape: Tape | None = None  # of the first one

    def begin_tape(self, x: Tensor, value: Value) -> None:
        """Record from here on, the network's input x showing `value`."""
        self.tape = Tape()
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
        """Split an output into (passes of the batch, shape of one). Raises BenchError where no samples are found."""
        found = spans(tuple(y.shape), self.samples, self.timesteps)
        if found is None:
            raise BenchError(f"{name}: cannot find {self.samples} samples in an output of shape {tuple(y.shape)}")
        return found[0] * self.samples, found[1]
