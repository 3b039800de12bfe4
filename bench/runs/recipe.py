"""The plug-ins of a run, constructed one by one to see whether they can be."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from torch import nn

from bench.data.base import Dataset
from bench.data.feed.augment import build_augmenter
from bench.errors import BenchError, ParameterError
from bench.neurons.base import make_factory
from bench.plugins import registry
from bench.runs.assembly import Assembly, assemble, make_dataset
from bench.runs.weightless import weightless
from bench.suite.fields import PluginSpec
from bench.suite.run_spec import RunSpec


def refusals(spec: RunSpec, deploy: PluginSpec | None = None) -> list[str]:
    """Return what the plug-ins of a run refuse, each asked by itself: values, or data that they have no use for.

    deploy: the neuron that the trained weights are measured with too. Nothing is allocated.
    """
    found: list[str] = []

    def tried(make: Callable[[], Any]) -> Any:
        try:
            return make()
        except BenchError as error:
            found.append(str(error))
            return None

    with weightless():
        dataset = tried(lambda: make_dataset(spec))
        tried(lambda: registry.create("encoder", spec.encoder.name, **spec.encoder.params))
        for part in (spec.train.optimizer, spec.train.schedule, spec.train.loss):
            tried(part.made)
        neurons = list(filter(None, (spec.neuron, deploy)))
        for neuron in neurons:
            tried(partial(make_factory, neuron.name, **neuron.params))
        if dataset is not None:
            tried(partial(_augmenter, spec, dataset))
            sound = [spec, *([] if deploy is None else [spec.deploying(deploy)])]
            for made in [spec.model_copy(update=_STAND_INS)] if found else sound:  # a network is made of all of these
                assembled = tried(partial(assemble, made))
                if assembled is not None:
                    tried(partial(_normalises_samples, assembled))
    return list(dict.fromkeys(found))


def doubts(spec: RunSpec) -> list[str]:
    """Return what a run may say and is seldom meant: it is trained all the same. Nothing is allocated."""
    if spec.train.batch_size > 1:
        return []
    with weightless():
        model = assemble(spec).model
    if not any(isinstance(module, nn.modules.batchnorm._BatchNorm) for module in model.modules()):
        return []
    return ["train.batch_size = 1: batch norm then knows one sample at a time, and trains badly; use 2 or more"]


_STAND_INS = {"neuron": PluginSpec(name="relu"), "encoder": PluginSpec(name="direct")}  # for what is wrong by itself


def _normalises_samples(assembly: Assembly) -> None:
    """Raise ParameterError where batch norm of features has one value of each: torch would, at the first step."""
    spec = assembly.spec
    values = spec.train.batch_size * (1 if spec.model.batch_norm == "per-step" else spec.timesteps)
    if values == 1 and any(isinstance(module, nn.BatchNorm1d) for module in assembly.model.modules()):
        raise ParameterError(
            "train.batch_size = 1: batch norm has one value of a feature, which has no variance; use 2 or more"
        )


def _augmenter(spec: RunSpec, dataset: Dataset) -> None:
    build_augmenter(
        spec.train.augment,
        classes=dataset.classes,
        image_size=dataset.image_size,
        in_channels=dataset.in_channels,
        timesteps=spec.timesteps if dataset.events else None,
    )
