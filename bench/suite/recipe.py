"""How a suite says to train: optimiser, schedule, loss, augmentation."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from bench.suite.fields import Count, Fraction, NonNegative, Positive, Strict


class OptimizerSpec(Strict):
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


class ScheduleSpec(Strict):
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


class LossSpec(Strict):
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


class TrainSpec(Strict):
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
