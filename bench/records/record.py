"""What a finished run leaves behind: counts, accuracies and provenance, to and from canonical JSON."""

from __future__ import annotations

import operator
from typing import Any, Literal

from pydantic import ConfigDict, Field, ValidationError, model_validator
from pydantic.dataclasses import dataclass

from bench.errors import NewerError, RecordError
from bench.files.canonical import parsed, sealed_json, unchecked
from bench.records.bounds import MOST_TIMESTEPS, ByTimestep, Number, Part, Share, Size, Total, WallClock
from bench.records.counts import Counts
from bench.records.diagnostics import Diagnostics
from bench.records.measurement import LATER, Measurement
from bench.records.source import DataSource, Fold

# 2: a checksum over everything but `wall_clock`, and one of its own in that block. 1 had none.
SCHEMA_VERSION = 2


def _is_none(value: object) -> bool:
    return value is None


class Deployment(Measurement):
    """The trained weights measured with another neuron than they were trained with: in full, or it would not be."""

    neuron: dict[str, Any]  # as written in the suite
    code: str = ""  # digest of the neuron's source
    resolved: dict[str, Any]  # its parameters with defaults filled in

    @model_validator(mode="after")
    def _is_whole(self) -> Deployment:
        found = self.model_fields_set
        needed = {name: value for name, value in self.measured.items() if name not in LATER}
        missing = [name for name, value in needed.items() if value is None or name not in found]
        if missing:
            raise ValueError(f"has no {', '.join(missing)}")
        return self


class Rearranged(Part):
    """The trained network on the test split with other sequences: frames in another order, or each their mean.

    How well it does is all that is kept: the work of such a pass is nobody's.
    """

    frames: Literal["shuffled", "merged"]
    accuracy_fraction: Share
    accuracy_by_timestep: ByTimestep
    correct: str  # one bit per test sample, as that of a measurement
    test_samples: Size


class Digests(Part):
    """What must agree between entries (weights, order) and what made the record (code)."""

    initial_weights: str
    sample_order: str
    code: str
    training: str = Field(default="", exclude_if=operator.not_)  # that part of the code which made the weights


@dataclass(frozen=True, slots=True, config=ConfigDict(extra="forbid"))  # no model: a run has many
class EpochRow:
    """One line of the training curve; accuracies are fractions."""

    epoch: Total
    learning_rate: Number
    train_loss: Number
    train_accuracy_fraction: Share
    test_accuracy_fraction: Share
    validation_accuracy_fraction: Share | None = None


class RunRecord(Measurement):
    """One run of one entry with one seed: done, or failed with its error and nothing measured."""

    model_config = ConfigDict(populate_by_name=True)

    schema_version: int = Field(default=SCHEMA_VERSION, alias="schema")
    key: str
    measure_key: str
    label: str
    seed: Total
    spec: dict[str, Any]  # the RunSpec as JSON: what the key is the hash of
    resolved: dict[str, dict[str, Any]]  # plug-in kind -> parameters with defaults filled in
    status: Literal["done", "failed"]
    error: str | None = None
    best_accuracy_fraction: Share | None = None  # best test epoch
    data: DataSource | None = Field(default=None, exclude_if=_is_none)  # of recordings alone
    # Where the seed chooses the test samples: bits of two runs are of the same samples only where these agree.
    fold: Fold | None = Field(default=None, exclude_if=_is_none)
    history: list[EpochRow] = []
    # Absent where nobody asked for them, or nothing spikes.
    diagnostics: Diagnostics | None = Field(default=None, exclude_if=_is_none)
    deployed: Deployment | None = Field(default=None, exclude_if=_is_none)
    tested: list[Rearranged] = Field(default=[], max_length=2, exclude_if=operator.not_)
    digests: Digests | None = None
    provenance: dict[str, Any] = {}
    wall_clock: WallClock = {}  # seconds, images/s, peak memory: the only block that differs between twins

    @model_validator(mode="after")
    def _spec_has_timesteps(self) -> RunRecord:
        timesteps = self.spec.get("timesteps")
        if type(timesteps) is not int or not 1 <= timesteps <= MOST_TIMESTEPS:
            raise ValueError(f"spec.timesteps: should be a whole number from 1 to {MOST_TIMESTEPS}")
        return self

    @property
    def counts(self) -> Counts | None:
        """What was counted, as `bench.estimate_energy` takes it; None for a failed run."""
        return self.counts_of(int(self.spec["timesteps"]))

    def to_json(self) -> str:
        """Return the record as a line of canonical JSON; its checksum is not that of the wall clock, which has one."""
        data = self.model_dump(mode="json", by_alias=True) | {"schema": SCHEMA_VERSION}
        clock = data.pop("wall_clock")
        return sealed_json(data, wall_clock=sealed_json(clock))

    @classmethod
    def from_json(cls, text: str, where: str = "record") -> RunRecord:
        """Read a record, also of an older version. Raises RecordError, naming `where`, for what is none.

        That is: no JSON, of a newer version, with a checksum that does not match, or without what a record has.
        """
        data = parsed(text, where)
        if not isinstance(data, dict):
            raise RecordError(f"{where}: corrupt: not a run record: it should be an object")
        version = data.get("schema")
        if type(version) is int and version > SCHEMA_VERSION:
            raise NewerError(
                f"{where}: schema {version} is newer than this spikebench reads ({SCHEMA_VERSION}); upgrade"
            )
        data = _upgraded(data) if type(version) is int and version == 1 else _verified(data, where)
        try:
            return cls.model_validate(data)
        except ValidationError as error:
            first = error.errors()[0]
            path = ".".join(str(part) for part in first["loc"])
            raise RecordError(f"{where}: corrupt: not a run record: {path}: {first['msg']}") from None


def _upgraded(data: dict[str, Any]) -> dict[str, Any]:
    """Return a record of version 1 as one of today's: it had no checksums."""
    return data | {"schema": SCHEMA_VERSION}


def _verified(data: dict[str, Any], where: str) -> dict[str, Any]:
    clock, rest = data.get("wall_clock"), {name: value for name, value in data.items() if name != "wall_clock"}
    rest = unchecked(rest, f"{where}: corrupt: the record")
    return rest | {"wall_clock": unchecked(clock, f"{where}: corrupt: its wall_clock")}
