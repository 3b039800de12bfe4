"""The plug-ins of a run's recipe, constructed to see whether they can be."""

from __future__ import annotations

from bench.data.base import Dataset
from bench.data.feed.augment import build_augmenter
from bench.suite.run_spec import RunSpec


def check_recipe(spec: RunSpec, dataset: Dataset) -> None:
    """Construct optimiser, schedule, loss and augmentations. Raises ParameterError for values or data they refuse."""
    for part in (spec.train.optimizer, spec.train.schedule, spec.train.loss):
        part.made()
    build_augmenter(
        spec.train.augment,
        classes=dataset.classes,
        image_size=dataset.image_size,
        in_channels=dataset.in_channels,
        timesteps=spec.timesteps if dataset.events else None,
    )
