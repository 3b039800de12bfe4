"""What a suite may say: the models that a TOML file is checked against, and the RunSpec that one training run is."""

from __future__ import annotations

import functools
import hashlib
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from bench.record import canonical_json


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


Fraction = Annotated[float, Field(ge=0.0, lt=1.0)]
Positive = Annotated[float, Field(gt=0.0)]
NonNegative = Annotated[float, Field(ge=0.0)]
Count = Annotated[int, Field(ge=1, le=1_000_000)]
_PRINTABLE = r"^[^\p{Cc}\p{Cf}\p{Z}|<>`][^\p{Cc}\p{Zl}\p{Zp}|<>`]*$"  # no row is broken; something to see
MOST_ENTRIES, MOST_SEEDS, MOST_RUNS, MOST_TABLES = 1000, 1000, 10_000, 100
Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,63}$")]
Label = Annotated[str, Field(min_length=1, max_length=60, pattern=_PRINTABLE)]
Title = Annotated[str, Field(min_length=1, max_length=120, pattern=_PRINTABLE)]


class PluginSpec(_Model):
    """A plug-in by name, with its parameters beside the name: `{ name = "lif", tau = 2.0 }`."""

    model_config = ConfigDict(extra="allow", frozen=True, strict=True, allow_inf_nan=False)

    name: str

    @property
    def params(self) -> dict[str, Any]:
        """The parameters as written, defaults not filled in."""
        return dict(self.model_extra or {})


class DatasetSpec(PluginSpec):
    """A data set; `validation_fraction` of the training split is held out, stratified by class."""

    validation_fraction: Fraction = 0.0


class ModelSpec(PluginSpec):
    """A network architecture; `batch_norm` says whether statistics are taken over T and N together or per timestep."""

    batch_norm: Literal["folded", "per-step"] = "folded"


class OptimizerSpec(_Model):
    """SGD with momentum, Adam or AdamW. `weight_decay` applies to every parameter."""

    name: Literal["sgd", "adam", "adamw"]
    learning_rate: Positive
    momentum: Fraction = 0.9
    nesterov: bool = False
    beta2: Fraction = 0.999
    weight_decay: NonNegative = 0.0

    @model_validator(mode="after")
    def _nesterov_needs_momentum(self) -> OptimizerSpec:
        if self.nesterov and (self.name != "sgd" or self.momentum == 0.0):
            raise ValueError("nesterov needs sgd with a momentum above 0")
        return self


class ScheduleSpec(_Model):
    """How the learning rate moves: after `warmup_epochs` of linear rise, constant, cosine to 0, one-cycle or steps.

    `warmup_fraction` is one-cycle's rising part of the whole training; `milestones` (epochs) and `gamma` are for step.
    """

    name: Literal["constant", "cosine", "one-cycle", "step"]
    warmup_epochs: Annotated[int, Field(ge=0)] = 0
    warmup_fraction: Annotated[float, Field(gt=0.0, lt=1.0)] = 0.3
    milestones: Annotated[list[Count], Field(max_length=1000)] = []
    gamma: Positive = 0.1

    @model_validator(mode="after")
    def _steps_need_milestones(self) -> ScheduleSpec:
        if (self.name == "step") != bool(self.milestones):
            raise ValueError("milestones belong to the step schedule, and it needs them")
        if self.name == "one-cycle" and self.warmup_epochs:
            raise ValueError("one-cycle has its own rise (warmup_fraction); leave warmup_epochs out")
        if self.name != "one-cycle" and self.warmup_fraction != 0.3:
            raise ValueError("warmup_fraction belongs to one-cycle; use warmup_epochs")
        return self


class LossSpec(_Model):
    """`ce`: cross-entropy of the logits averaged over T. `tet`: mean over timesteps of (1 - w) cross-entropy + w mse.

    In `tet` the mean squared error pulls every logit towards `mse_target` (Deng et al. 2022, Temporal Efficient
    Training). `mse`: mean squared error between the one-hot label and each timestep's logits.
    """

    name: Literal["ce", "tet", "mse"]
    label_smoothing: Fraction = 0.0
    mse_weight: Annotated[float, Field(ge=0.0, le=1.0)] = 0.05
    mse_target: float = 1.0

    @model_validator(mode="after")
    def _nothing_is_ignored(self) -> LossSpec:
        if self.name == "mse" and self.label_smoothing:
            raise ValueError("label_smoothing belongs to ce and tet")
        if self.name != "tet" and (self.mse_weight, self.mse_target) != (0.05, 1.0):
            raise ValueError("mse_weight and mse_target belong to tet")
        return self


Augmentation = Literal[
    "random-crop",
    "random-flip",
    "roll",
    "auto-augment",
    "trivial-augment-wide",
    "rotation",
    "shear",
    "event-drop",
    "cutout",
    "mixup",
    "cutmix",
]


class TrainSpec(_Model):
    """The recipe, the same for every entry of a suite."""

    epochs: Count
    batch_size: Count
    optimizer: OptimizerSpec
    schedule: ScheduleSpec = ScheduleSpec(name="constant")
    loss: LossSpec = LossSpec(name="ce")
    precision: Literal["fp32", "bf16", "fp16"] = "fp32"
    channels_last: bool = False
    gradient_clip_norm: Positive | None = None
    augment: Annotated[list[Augmentation], Field(max_length=100)] = []
    # None: on a CPU deterministic algorithms, on a GPU any. Only what is written enters the key.
    deterministic: bool | None = Field(default=None, exclude_if=lambda value: value is None)

    @model_validator(mode="after")
    def _schedule_fits(self) -> TrainSpec:
        last = max([self.schedule.warmup_epochs, *self.schedule.milestones])
        if last >= self.epochs and last > 0:
            raise ValueError(f"the schedule still changes in epoch {last}, and training ends at {self.epochs}")
        return self


class MeasureSpec(_Model):
    """What is measured on the trained network; a key of its own, so that changing it retrains nothing."""

    samples: Count | None = None  # test samples to count operations on; None: the whole test split
    power: bool = False  # joules that the simulation takes, where a counter can be read; some minutes a run
    diagnostics: bool = False  # gradient through time, membrane, dead and saturated neurons, layer by layer


class RunMeasure(MeasureSpec):
    """What is measured on one run: what the suite says for all, and the neuron that its entry deploys."""

    deploy: PluginSpec | None = None


class RunSpec(_Model):
    """One training run, complete: everything that may change its numbers and nothing else."""

    suite_version: int
    dataset: DatasetSpec
    model: ModelSpec
    train: TrainSpec
    neuron: PluginSpec
    encoder: PluginSpec
    timesteps: int
    seed: int

    @property
    def key(self) -> str:
        """First 12 hex digits of the sha256 of the canonical JSON: the run's name in the store."""
        return digest(self.to_json())

    def measure_key(self, measure: MeasureSpec) -> str:
        """The key of this run measured as `measure` says.

        Options enter when they are not at their default, so that a new option measures nothing again.
        """
        options = {"samples": measure.samples} | measure.model_dump(mode="json", exclude_defaults=True)
        return digest({"run": self.key, "measure": options})

    def to_json(self) -> dict[str, Any]:
        """Return the spec as JSON-ready data."""
        return self.model_dump(mode="json")


@dataclass(frozen=True)
class PlannedRun:
    """One run that a suite asks for: an entry with a seed, and what is measured on it."""

    suite: str
    label: str
    seed: int
    spec: RunSpec
    measure: RunMeasure = field(default_factory=RunMeasure)

    @functools.cached_property
    def key(self) -> str:
        """The name of the trained network in the store."""
        return self.spec.key

    @functools.cached_property
    def measure_key(self) -> str:
        """The key of this run measured as `measure` says."""
        return self.spec.measure_key(self.measure)


def digest(value: Any) -> str:
    """First 12 hex digits of the sha256 of `value`'s canonical JSON."""
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()[:12]


class EntrySpec(_Model):
    """A row of the comparison: neuron, timesteps and encoder; anything else must be declared in `unmatched`.

    `dataset`, `model` and `train` hold overrides of the suite's own tables, merged key by key. `deploy` is a neuron
    that the trained weights are measured with too: a row of its own, and nothing is trained for it.
    """

    label: Label
    neuron: PluginSpec
    timesteps: Annotated[int, Field(ge=1, le=10_000)]
    encoder: PluginSpec = PluginSpec(name="direct")
    deploy: PluginSpec | None = None
    dataset: dict[str, Any] = {}
    model: dict[str, Any] = {}
    train: dict[str, Any] = {}
    unmatched: Annotated[list[str], Field(max_length=100)] = []

    @property
    def deployed_label(self) -> str:
        """The label of the row that `deploy` adds."""
        return f"{self.label} as {self.deploy.name if self.deploy else self.neuron.name}"


class SuiteSpec(_Model):
    """A suite file."""

    name: Name
    version: Annotated[int, Field(ge=1, le=1_000_000)] = 1
    title: Title
    baseline: Label
    seeds: Annotated[list[Annotated[int, Field(ge=0, lt=2**32)]], Field(min_length=1, max_length=MOST_SEEDS)]
    energy: Annotated[list[str], Field(min_length=1, max_length=MOST_TABLES)]
    margin_points: Positive = 0.5  # "as accurate" means within this many percentage points
    smaller: Name | None = None  # the suite to try where this one would take days
    dataset: DatasetSpec
    model: ModelSpec
    train: TrainSpec
    measure: MeasureSpec = MeasureSpec()
    entries: Annotated[list[EntrySpec], Field(min_length=1, max_length=MOST_ENTRIES)]
