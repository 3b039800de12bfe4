"""What the numbers, names and shapes of a record may be: bounds that no measurement reaches, and sums stay finite."""

from __future__ import annotations

import math
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

MOST_LAYERS, MOST_OPERATIONS, MOST_TIMESTEPS = 2000, 10_000, 10_000

Total = Annotated[int, Field(ge=0, lt=2**63)]
Size = Annotated[int, Field(ge=1, lt=2**63)]
Number = Annotated[float, Field(ge=-1e60, le=1e60, allow_inf_nan=False)]
Amount = Annotated[float, Field(ge=0.0, le=1e60, allow_inf_nan=False)]
Share = Annotated[float, Field(ge=0.0, le=1.0, allow_inf_nan=False)]
Word = Annotated[str, Field(max_length=200)]
Operations = Annotated[dict[Word, Amount], Field(max_length=100)]
ByTimestep = Annotated[list[Share], Field(max_length=MOST_TIMESTEPS)]


def _countable(shape: tuple[int, ...]) -> tuple[int, ...]:
    if math.prod(shape) >= 2**63:
        raise ValueError("has more elements than can be counted")
    return shape


Shape = Annotated[tuple[Size, ...], Field(max_length=8), AfterValidator(_countable)]


class Part(BaseModel):
    """A frozen piece of a record; unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class _Measured(BaseModel):
    model_config = ConfigDict(extra="allow", strict=True)


class _Joules(_Measured):
    j_per_sample: Number
    sd_j_per_sample: Amount | None


class _Energy(_Measured):
    source: str
    idle_w: Number
    window_s: Amount
    repeats: Total
    training: _Joules
    inference: _Joules
    sm_clock_mhz: Total | None = None
    memory_clock_mhz: Total | None = None


class _Clock(_Measured):
    train_s: Amount | None = None
    images_per_s: Amount | None = None
    measure_s: Amount | None = None
    process_s: Amount | None = None
    peak_memory_bytes: Amount | None = None
    measured_energy: _Energy | None = None


def _clock_as_reports_read_it(clock: dict[str, Any]) -> dict[str, Any]:
    _Clock.model_validate(clock)
    return clock


WallClock = Annotated[dict[str, Any], AfterValidator(_clock_as_reports_read_it)]
