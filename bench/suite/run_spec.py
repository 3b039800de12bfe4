"""The RunSpec that one training run is, its key, and the run that a suite plans."""

from __future__ import annotations

import functools
import hashlib
from dataclasses import dataclass, field
from typing import Any, Literal

from pydantic import Field

from bench.files.canonical import canonical_json
from bench.suite.fields import Count, Fraction, PluginSpec, PluginUse, Strict, with_named
from bench.suite.recipe import TrainSpec


class DatasetSpec(PluginSpec):
    """A data set; `validation_fraction` of the training split is held out, stratified by class.

    `test_split`: "fixed" is the data set's own. With "folds" five seeds at a time share a partition of all samples into
    five folds, stratified by class, and each tests one of them.
    """

    validation_fraction: Fraction = 0.0
    # Only what is not the default enters the key.
    test_split: Literal["fixed", "folds"] = Field(default="fixed", exclude_if=lambda split: split == "fixed")


class ModelSpec(PluginSpec):
    """A network architecture; `batch_norm` says whether statistics are taken over T and N together or per timestep.

    `synapse` is what its weights go through before they are used, as a quantiser.
    """

    batch_norm: Literal["folded", "per-step"] = "folded"
    synapse: PluginSpec | None = Field(default=None, exclude_if=lambda value: value is None)


Frames = Literal["shuffled", "merged"]  # of a test sample: in an order drawn for it, or each of them their mean


def on_frames(label: str, frames: str) -> str:
    """Return the label of an entry's row where it is tested on shuffled or merged frames."""
    return f"{label} on {frames} frames"


class MeasureSpec(Strict):
    """What is measured on the trained network; a key of its own, so that changing it retrains nothing."""

    samples: Count | None = None  # test samples to count operations on; None: the whole test split
    power: bool = False  # joules that the simulation takes, where a counter can be read; some minutes a run
    diagnostics: bool = False  # gradient through time, membrane, dead and saturated neurons, layer by layer


class RunMeasure(MeasureSpec):
    """What is measured on one run: what the suite says for all, and what its entry deploys and is tested on."""

    deploy: PluginSpec | None = None
    tested: list[Frames] = []


class RunSpec(Strict):
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

    def deploying(self, neuron: PluginSpec) -> RunSpec:
        """Return the spec of this network with another neuron, with which nothing is trained."""
        return self.model_copy(update={"neuron": neuron, "train": self.train.model_copy(update={"gradient": "time"})})

    def measure_key(self, measure: MeasureSpec) -> str:
        """The key of this run measured as `measure` says.

        Options enter when they are not at their default, so that a new option measures nothing again.
        """
        options = {"samples": measure.samples} | measure.model_dump(mode="json", exclude_defaults=True)
        return digest({"run": self.key, "measure": options})

    @property
    def plugins(self) -> tuple[PluginUse, ...]:
        """Every plug-in that the run uses: (kind, name, parameters)."""
        parts = {"dataset": self.dataset, "model": self.model, "neuron": self.neuron, "encoder": self.encoder}
        parts |= {} if self.model.synapse is None else {"synapse": self.model.synapse}
        own = (PluginUse(kind, part.name, part.params) for kind, part in parts.items())
        return with_named([*own, *self.train.plugins])

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

    @property
    def plugins(self) -> tuple[PluginUse, ...]:
        """Every plug-in that the run uses, and the neuron that it deploys: (kind, name, parameters)."""
        deploy = self.measure.deploy
        deployed = [] if deploy is None else [PluginUse("neuron", deploy.name, deploy.params)]
        return with_named([*self.spec.plugins, *deployed])

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
