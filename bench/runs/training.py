"""A run's first half, from spec to trained network. What this file imports is all that can move a run's weights."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from bench.data.base import Arrays
from bench.data.feed.loader import DeviceLoader
from bench.measure.evaluate import evaluate
from bench.models import weights_digest
from bench.runs.assembly import Assembly, TrainingSequences, assemble
from bench.runs.choose import choose_path
from bench.runs.rehearsal import rehearsal
from bench.seeding import seed_for
from bench.suite.run_spec import RunSpec
from bench.train.keeper import Keeper, Saving
from bench.train.learner import Learner
from bench.train.loop import Accuracies, History, fit
from bench.train.machine.device import algorithms, use_device
from bench.train.machine.path import ExecutionPath
from bench.train.pace import Progress

Inspect = Callable[[Callable[[], int], torch.device, str], None]


@dataclass(frozen=True)
class Place:
    """Where a run works: none of this may change its numbers beyond float rounding."""

    keeper: Keeper
    data: Path
    offline: bool = False
    device: str = "cpu"
    path: ExecutionPath = "auto"


@dataclass(frozen=True)
class Trained:
    """A trained network, what it was trained on and how that went.  warning: why it took another path than asked."""

    assembly: Assembly
    arrays: Arrays
    training: DeviceLoader
    test: DeviceLoader
    history: History
    initial_weights: str
    path: ExecutionPath
    warning: str | None

    def batches(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield the test split: sequences [T, N, C, H, W] and labels [N]."""
        return self.assembly.sequences(self.test)


@contextmanager
def computing(spec: RunSpec, device: torch.device) -> Iterator[str]:
    """Have a run's arithmetic as its spec asks for it, and its random numbers at their start; yields what is used.

    Raises PortableError where a portable run was asked for in a process that cannot compute portably.
    """
    with algorithms(spec.train.deterministic, device, portable=spec.train.portable) as used:
        use_device(device)
        torch.manual_seed(seed_for("dropout", spec.seed))
        yield used


def train(
    spec: RunSpec,
    place: Place,
    origin: dict[str, Any],
    watch: Callable[[Progress], None],
    stop: Callable[[], bool],
    inspect: Inspect | None = None,
) -> Trained:
    """Train a network, or go on where its training is, to be called within `computing`.

    origin: where a training that begins now is from.  inspect: given a training step on a copy of the network, the
    device and the path, before training begins. Raises what `run_one` does.
    """
    device = torch.device(place.device)
    assembly = assemble(spec)
    initial_weights = weights_digest(assembly.model)
    arrays = assembly.load(place.data, offline=place.offline)
    assembly = assembly.on(device)
    path, warning = choose_path(place.path, assembly, len(arrays.train))
    test_loader = assembly.loader(arrays.test, arrays)
    held_out = None if arrays.validation is None else assembly.loader(arrays.validation, arrays)
    training = TrainingSequences(assembly, assembly.training_loader(arrays))
    if inspect is not None:
        with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
            inspect(rehearsal(assembly, training.loader), device, path)
    history = fit(
        Learner(assembly.model, spec.train, device, path),
        training,
        Saving(place.keeper),
        origin=origin,
        test=partial(_accuracies, assembly, test_loader, held_out),
        watch=watch,
        stop=stop,
    )
    return Trained(assembly, arrays, training.loader, test_loader, history, initial_weights, path, warning)


def _accuracies(assembly: Assembly, test: DeviceLoader, held_out: DeviceLoader | None) -> Accuracies:
    """Return what a look at the network says after an epoch."""

    def accuracy(loader: DeviceLoader) -> float:
        return evaluate(assembly.model, assembly.sequences(loader)).accuracy_fraction

    validation = None if held_out is None else accuracy(held_out)
    return {"test_accuracy_fraction": accuracy(test), "validation_accuracy_fraction": validation}
