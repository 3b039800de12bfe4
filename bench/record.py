"""What a finished run leaves behind: counts, accuracies and provenance, to and from canonical JSON."""

from __future__ import annotations

import math
import operator
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from bench.canonical import canonical_json as canonical_json
from bench.canonical import checked, parsed, unchecked
from bench.diagnostics import Diagnostics
from bench.errors import NewerError, RecordError
from bench.record_fields import (
    MOST_LAYERS,
    MOST_OPERATIONS,
    MOST_TIMESTEPS,
    ByTimestep,
    Number,
    Operations,
    Shape,
    Share,
    Size,
    Total,
    WallClock,
    Word,
)

# 2: a checksum over everything but `wall_clock`, and one of its own in that block. 1 had none.
SCHEMA_VERSION = 2

InputKind = Literal["binary", "ternary", "graded", "analog"]
Column = Literal["bias", "norm", "pooling", "residual", "encoder", "readout"]


def _is_none(value: object) -> bool:
    return value is None


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class LayerCount(_Part):
    """The work of one synaptic layer over an evaluation.

    Totals are exact integers over all `Counts.samples` and all timesteps; the `_per_sample` properties divide them.
    """

    name: Word
    kind: Word  # "conv2d", "linear", ...
    input_kind: InputKind
    weight_shape: Annotated[Shape, Field(min_length=2)]
    input_shape: Shape  # of one sample at one timestep
    output_shape: Annotated[Shape, Field(min_length=1)]  # of one sample at one timestep
    stride: Annotated[tuple[Size, ...], Field(max_length=8)] = ()
    groups: Size = 1
    has_bias: bool  # its own, or that of a batch norm folded into it
    samples: Size
    timesteps: Size  # how many times a sample passes through the layer
    dense_macs_total: Total  # padding taps included (fvcore's convention)
    dense_macs_valid_total: Total  # padding taps excluded
    effective_synops_total: Total  # every (non-zero input, weight) pair
    input_nonzero_total: Total
    input_unit: Number | None = None  # graded inputs: the value of one level
    input_levels: Total | None = None  # graded inputs: the highest level seen
    graded_acs_total: Total | None = None  # graded inputs: synops weighted by level
    network_input: bool = Field(default=False, exclude_if=operator.not_)  # its input is the network's own, as an image
    static_input: bool = False  # sees the same input at every timestep, so one pass could be cached

    @model_validator(mode="after")
    def _stride_of_every_axis(self) -> LayerCount:
        if self.kind.startswith("conv") and len(self.stride) != len(self.weight_shape) - 2:
            raise ValueError("a convolution has as many strides as its kernel has axes")
        return self

    @property
    def dense_macs_per_sample(self) -> float:
        """MACs as if nothing were zero, padding included, summed over timesteps."""
        return self.dense_macs_total / self.samples

    @property
    def dense_macs_valid_per_sample(self) -> float:
        """MACs as if nothing were zero, padding taps excluded, summed over timesteps."""
        return self.dense_macs_valid_total / self.samples

    @property
    def effective_synops_per_sample(self) -> float:
        """(non-zero input, weight) pairs per sample, summed over timesteps."""
        return self.effective_synops_total / self.samples

    @property
    def input_density_fraction(self) -> float:
        """Share of the inputs that are not zero."""
        return self.input_nonzero_total / (self.samples * self.timesteps * math.prod(self.input_shape))

    @property
    def silent(self) -> bool:
        """Whether the layer never saw a non-zero input: broken rather than cheap."""
        return self.input_nonzero_total == 0


class NeuronCount(_Part):
    """The activity and the update cost of one neuron layer."""

    name: Word
    neuron: Word  # "lif", "relu", ...
    spiking: bool
    units: Size  # neurons per sample
    samples: Size
    timesteps: Size
    spikes_total: Total  # non-zero outputs over all samples and timesteps
    ops_per_update: Operations  # per neuron and timestep: {"mul": 2, "add": 1, ...}
    state_words: Total  # state variables read and written per neuron and timestep
    parameters: dict[Word, list[Number]] = {}  # learnable parameters after training, as PLIF's

    @property
    def firing_rate(self) -> float:
        """Spikes per neuron per timestep (for a neuron that does not spike: the share of non-zero outputs)."""
        return self.spikes_total / (self.units * self.samples * self.timesteps)

    @property
    def spikes_per_sample(self) -> float:
        """Spikes per sample, summed over timesteps."""
        return self.spikes_total / self.samples


class OtherOps(_Part):
    """Operations outside synapses and neurons, per sample and summed over timesteps."""

    name: Word
    column: Column
    ops_per_sample: Operations  # {"add": ..., "mul": ..., "compare": ...}


Layers = Annotated[list[LayerCount], Field(max_length=MOST_LAYERS)]
Neurons = Annotated[list[NeuronCount], Field(max_length=MOST_LAYERS)]
Others = Annotated[list[OtherOps], Field(max_length=MOST_OPERATIONS)]
Names = Annotated[list[Word], Field(max_length=MOST_LAYERS)]


class Counts(_Part):
    """All that was counted of a network on `samples` test samples."""

    samples: int
    timesteps: int
    layers: list[LayerCount]
    neurons: list[NeuronCount]
    other_ops: list[OtherOps]
    not_counted: list[str] = []  # modules whose work is not in the numbers, named

    @property
    def firing_rate(self) -> float | None:
        """Spikes per spiking neuron per timestep over the whole network; None where nothing spikes."""
        spiking = [n for n in self.neurons if n.spiking]
        slots = sum(n.units * n.samples * n.timesteps for n in spiking)
        return sum(n.spikes_total for n in spiking) / slots if slots else None

    @property
    def effective_synops_per_sample(self) -> float:
        """(non-zero input, weight) pairs per sample over all layers and timesteps."""
        return sum(layer.effective_synops_per_sample for layer in self.layers)

    @property
    def dense_macs_per_sample(self) -> float:
        """Dense MACs per sample over all layers and timesteps, padding included."""
        return sum(layer.dense_macs_per_sample for layer in self.layers)


class Deployment(_Part):
    """The trained weights measured with another neuron than they were trained with; fields as in RunRecord."""

    neuron: dict[str, Any]  # as written in the suite
    code: str = ""  # digest of the neuron's source
    resolved: dict[str, Any]  # its parameters with defaults filled in
    accuracy_fraction: Share
    accuracy_by_timestep: ByTimestep
    correct: str
    test_samples: Size
    samples_counted: Size
    layers: Layers
    neurons: Neurons
    other_ops: Others
    not_counted: Names
    parameters: Total


class DataSource(_Part):
    """What was there of a data set that comes in single recordings."""

    recordings: dict[Word, Total]  # by split, before any is held out
    complete: Total  # how many the whole data set has
    files: str  # digest of their names and sizes

    @property
    def partial(self) -> bool:
        """Whether some of the data set was not there."""
        return sum(self.recordings.values()) < self.complete


class Digests(_Part):
    """What must agree between entries (weights, order) and what made the record (code)."""

    initial_weights: str
    sample_order: str
    code: str


class EpochRow(_Part):
    """One line of the training curve; accuracies are fractions."""

    epoch: Total
    learning_rate: Number
    train_loss: Number
    train_accuracy_fraction: Share
    test_accuracy_fraction: Share
    validation_accuracy_fraction: Share | None = None


class RunRecord(_Part):
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
    accuracy_fraction: Share | None = None  # last epoch
    best_accuracy_fraction: Share | None = None  # best test epoch
    accuracy_by_timestep: ByTimestep = []
    correct: str | None = None  # one bit per test sample (numpy.packbits order), base64
    test_samples: Size | None = None
    data: DataSource | None = Field(default=None, exclude_if=_is_none)  # of recordings alone
    history: list[EpochRow] = []
    samples_counted: Size | None = None
    layers: Layers = []
    neurons: Neurons = []
    other_ops: Others = []
    not_counted: Names = []
    # Absent where nobody asked for them, or nothing spikes.
    diagnostics: Diagnostics | None = Field(default=None, exclude_if=_is_none)
    deployed: Deployment | None = Field(default=None, exclude_if=_is_none)
    parameters: Total | None = None  # learnable, neurons included
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
        if self.samples_counted is None:
            return None
        return Counts(
            samples=self.samples_counted,
            timesteps=int(self.spec["timesteps"]),
            layers=self.layers,
            neurons=self.neurons,
            other_ops=self.other_ops,
            not_counted=self.not_counted,
        )

    @property
    def dead(self) -> list[str]:
        """The names of the spiking neurons' layers of which no neuron fired in the whole evaluation."""
        return [neuron.name for neuron in self.neurons if neuron.spiking and not neuron.spikes_total]

    def to_json(self) -> str:
        """Return the record as a line of canonical JSON; its checksum is not that of the wall clock, which has one."""
        data = self.model_dump(mode="json", by_alias=True) | {"schema": SCHEMA_VERSION}
        clock = data.pop("wall_clock")
        return canonical_json(checked(data) | {"wall_clock": checked(clock)})

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
