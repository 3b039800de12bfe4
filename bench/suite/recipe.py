"""How a suite says to train: optimiser, schedule, loss, augmentation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import AfterValidator, Field, field_validator, model_validator

from bench.errors import BenchError, ParameterError, UnknownNameError
from bench.plugins import registry
from bench.plugins.signature import no_choice
from bench.suite.fields import Count, Fraction, NonNegative, PluginSpec, PluginUse, Positive, Strict


class RecipePart(PluginSpec):
    """A plug-in of the recipe, with parameters beside its name.

    Those that are declared here stand, with their defaults, in the key of every run. A plug-in takes some of them, by
    the same names, and others of its own; what is written and not taken is refused.
    """

    kind: ClassVar[str]
    belongs: ClassVar[Mapping[str, str]] = {}  # of a declared parameter: what to say where a built-in one lacks it

    @property
    def params(self) -> dict[str, Any]:
        """What the plug-in is constructed with: the declared parameters that it takes, and its own as written."""
        taken = {parameter.name for parameter in registry.find(self.kind, self.name).parameters}
        return {key: value for key, value in self if key in taken or key in (self.model_extra or {})}

    def made(self) -> Any:
        """Construct the plug-in. The schema has checked the declared parameters; its own ones are checked here.

        Raises ParameterError for a name or value that it does not take.
        """
        info, params = registry.find(self.kind, self.name), self.params
        wrong = {key: words for key, words in info.problems(params).items() if key in (self.model_extra or {})}
        if wrong:
            raise ParameterError("\n".join(f"{key}: {words}" for key, words in wrong.items()))
        return info.construct(params, {})

    @field_validator("name")
    @classmethod
    def _exists(cls, name: str) -> str:
        try:
            registry.find(cls.kind, name)
        except UnknownNameError as error:
            raise ValueError(no_choice(name, error.known)) from None
        except BenchError as error:
            raise ValueError(str(error)) from None
        return name

    @model_validator(mode="before")
    @classmethod
    def _defaults_of_the_plugin(cls, data: Any) -> Any:
        """Write down a declared parameter's default as the plug-in has it: it is what runs."""
        if not isinstance(data, dict) or not isinstance(data.get("name"), str):
            return data
        try:
            info = registry.find(cls.kind, data["name"])
        except BenchError:  # the name's own problem
            return data
        own = {p.name: p.default for p in info.parameters if p.name in cls.model_fields and not p.required}
        return own | data

    @model_validator(mode="after")
    def _nothing_is_ignored(self) -> Self:
        info = registry.find(self.kind, self.name)
        takes = {parameter.name: parameter.required for parameter in info.parameters}
        for key, field in type(self).model_fields.items():
            written = getattr(self, key) != field.default
            if key != "name" and (key not in takes if written else takes.get(key, False)):
                words = f"{self.kind} '{self.name:.60}' {'takes no' if written else 'needs'} {key}"
                raise ValueError(words if info.outside else self.belongs.get(key, words))
        return self


class OptimizerSpec(RecipePart):
    """The update rule; the parameters that the built-in ones take. `weight_decay` applies to every parameter."""

    kind = "optimizer"
    belongs: ClassVar[Mapping[str, str]] = {"nesterov": "nesterov needs sgd with a momentum above 0"}

    learning_rate: Positive
    momentum: Fraction = 0.9
    nesterov: bool = False
    beta2: Fraction = 0.999
    weight_decay: NonNegative = 0.0


class ScheduleSpec(RecipePart):
    """How the learning rate moves; `milestones` and `warmup_epochs` in epochs."""

    kind = "schedule"
    belongs: ClassVar[Mapping[str, str]] = {
        "milestones": "milestones belong to the step schedule, and it needs them",
        "warmup_epochs": "one-cycle has its own rise (warmup_fraction); leave warmup_epochs out",
        "warmup_fraction": "warmup_fraction belongs to one-cycle; use warmup_epochs",
    }

    warmup_epochs: Annotated[int, Field(ge=0)] = 0
    warmup_fraction: Annotated[float, Field(gt=0.0, lt=1.0)] = 0.3
    milestones: Annotated[list[Count], Field(max_length=1000)] = []
    gamma: Positive = 0.1


class LossSpec(RecipePart):
    """What training makes small; the parameters that the built-in losses take."""

    kind = "loss"
    belongs: ClassVar[Mapping[str, str]] = {
        "label_smoothing": "label_smoothing belongs to ce and tet",
        "mse_weight": "mse_weight and mse_target belong to tet",
        "mse_target": "mse_weight and mse_target belong to tet",
    }

    label_smoothing: Fraction = 0.0
    mse_weight: Annotated[float, Field(ge=0.0, le=1.0)] = 0.05
    mse_target: float = 1.0


def _known_augmentation(name: str) -> str:
    try:
        wrong = registry.find("augmentation", name).problems({})
    except BenchError as error:
        raise ValueError(str(error)) from None
    for key, message in wrong.items():
        raise ValueError(f"{key}: {message}")
    return name


Augmentation = Annotated[str, AfterValidator(_known_augmentation)]


class TrainSpec(Strict):
    """The recipe, the same for every entry of a suite."""

    epochs: Count
    batch_size: Count
    optimizer: OptimizerSpec
    schedule: ScheduleSpec = Field(default_factory=lambda: ScheduleSpec(name="constant"))
    loss: LossSpec = Field(default_factory=lambda: LossSpec(name="ce"))
    precision: Literal["fp32", "bf16", "fp16"] = "fp32"
    channels_last: bool = False
    gradient_clip_norm: Positive | None = None
    augment: Annotated[list[Augmentation], Field(max_length=100)] = []
    # None: on a CPU deterministic algorithms, on a GPU any. Only what is written enters the key.
    deterministic: bool | None = Field(default=None, exclude_if=lambda value: value is None)
    # Arithmetic that every x86-64 processor does alike, on a CPU: slower. Enters the key where it is asked for.
    portable: bool = Field(default=False, exclude_if=lambda value: not value)
    # "space": no gradient through a neuron's state from one timestep to the next; "time" alone never enters the key.
    gradient: Literal["time", "space"] = Field(default="time", exclude_if=lambda value: value == "time")

    @property
    def plugins(self) -> tuple[PluginUse, ...]:
        """The plug-ins that training uses: (kind, name, parameters)."""
        parts = (self.optimizer, self.schedule, self.loss)
        augment = (PluginUse("augmentation", name, {}) for name in dict.fromkeys(self.augment))
        return (*(PluginUse(part.kind, part.name, part.params) for part in parts), *augment)

    @model_validator(mode="after")
    def _portable_is_deterministic(self) -> TrainSpec:
        if self.portable and self.deterministic is False:
            raise ValueError("portable training is deterministic; leave deterministic = false out")
        return self

    @model_validator(mode="after")
    def _schedule_fits(self) -> TrainSpec:
        last = max([self.schedule.warmup_epochs, *self.schedule.milestones])
        if last >= self.epochs and last > 0:
            raise ValueError(f"the schedule still changes in epoch {last}, and training ends at {self.epochs}")
        return self
