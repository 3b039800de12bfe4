"""Training steps on a copy of the network, to be profiled or metered."""

from __future__ import annotations

import copy
from collections.abc import Callable

from bench.data.feed.loader import DeviceLoader
from bench.runs.assembly import Assembly
from bench.train.learner import Learner


def rehearsal(assembly: Assembly, training: DeviceLoader) -> Callable[[], int]:
    """Return a training step on a copy of the network and the first batch; it returns how many images it took."""
    learner = Learner(copy.deepcopy(assembly.model).train(), assembly.spec.train, assembly.device)
    _, images, labels = next(training.batches(0))

    def train() -> int:
        learner.update(assembly.encode(images, 0, 0), labels)
        return len(images)

    return train
