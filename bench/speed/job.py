"""What is measured and what came out, as data. No torch."""

from __future__ import annotations

import statistics
from dataclasses import dataclass, field

from pydantic import BaseModel, ConfigDict

from bench.suite.run_spec import RunSpec
from bench.train.machine.path import ExecutionPath


class Subject(BaseModel):
    """A network whose training steps are timed, alone in its process: an entry, or it with another library's neuron."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    label: str
    spec: RunSpec
    peer: str | None = None
    version: str = ""  # of the peer
    data: str
    offline: bool
    device: str
    path: ExecutionPath
    trust: tuple[str, ...] = ()  # modules from outside whose code may run in its process, and no others

    @property
    def by(self) -> str:
        """Whose neurons they are."""
        return f"{self.peer} {self.version}" if self.peer else "spikebench"


class Warm(BaseModel):
    """What a subject says when it is ready."""

    model_config = ConfigDict(extra="forbid")

    path: str
    warning: str | None = None
    no_data: str | None = None  # why there is no real data path
    device: str
    precision: str
    start_s: float  # to build it, compile and take the first steps
    steps_per_epoch: int
    batch_size: int
    block_steps: int


class Block(BaseModel):
    """Seconds per step of one turn."""

    model_config = ConfigDict(extra="forbid")

    synthetic_s: float
    real_s: float | None = None


class End(BaseModel):
    """What a subject says at its end; the roofline only of this project's own neurons."""

    model_config = ConfigDict(extra="forbid")

    peak_memory_bytes: int | None = None
    flops: float | None = None  # of one step's layers
    neuron_bytes: float | None = None  # that one step's neurons read and write
    flops_per_s: float | None = None  # of matrix products, measured
    bytes_per_s: float | None = None  # of copies, measured


@dataclass(frozen=True)
class Spread:
    """A median with the lowest and the highest of the repeats."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: list[float]) -> Spread:
        """Summarise one value a repeat."""
        return cls(statistics.median(values), min(values), max(values))


@dataclass(frozen=True)
class Measured:
    """A subject with its turns, at least one: all of them, or those before it failed or the measuring was stopped."""

    subject: Subject
    warm: Warm
    blocks: list[Block]
    end: End = field(default_factory=End)

    @property
    def step_s(self) -> Spread:
        """Seconds of a training step on synthetic data."""
        return Spread.of([block.synthetic_s for block in self.blocks])

    @property
    def images_per_s(self) -> Spread:
        """Images trained on per second, synthetic data."""
        return Spread.of([self.warm.batch_size / block.synthetic_s for block in self.blocks])

    @property
    def real_over_synthetic(self) -> Spread | None:
        """Epoch time with the real data path over that with synthetic data, turn by turn."""
        ratios = [block.real_s / block.synthetic_s for block in self.blocks if block.real_s is not None]
        return Spread.of(ratios) if ratios else None

    @property
    def epoch_s(self) -> float:
        """Seconds of an epoch's training: of the real data path where there is one."""
        real = [block.real_s for block in self.blocks if block.real_s is not None]
        return self.warm.steps_per_epoch * (statistics.median(real) if real else self.step_s.median)

    def over(self, other: Measured, times: float = 1.0) -> Spread:
        """Time per image over `times` that of `other`, turn by turn: what slows the machine slows both."""
        times *= self.warm.batch_size / other.warm.batch_size
        pairs = zip(self.blocks, other.blocks, strict=False)  # one may have stopped earlier
        return Spread.of([own.synthetic_s / (times * others.synthetic_s) for own, others in pairs])
