"""Training steps on a copy of the network, to be profiled or metered."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from bench.data.feed.loader import DeviceLoader
from bench.measure.meters import open_meter
from bench.measure.mode import measuring
from bench.measure.power import measure_energy
from bench.suite.run_spec import RunSpec
from bench.train.step import build_optimizer, train_step


def measure_power(
    model: nn.Module,
    spec: RunSpec,
    training: DeviceLoader,
    encode: Callable[[Tensor, int, int], Tensor],
    device: torch.device,
) -> dict[str, Any] | None:
    """Measure what training and inference take on this machine per sample; None where no counter can be read."""
    with open_meter(device) as meter:
        if meter is None:
            return None
        _, images, _ = next(training.batches(0))

        def infer() -> int:
            with measuring(model):
                model(encode(images, 0, 0))
            return len(images)

        train = rehearsal(model, spec, training, encode, device)
        synchronise = torch.cuda.synchronize if device.type == "cuda" else lambda: None
        return measure_energy(meter, {"training": train, "inference": infer}, synchronise)


def rehearsal(
    model: nn.Module,
    spec: RunSpec,
    training: DeviceLoader,
    encode: Callable[[Tensor, int, int], Tensor],
    device: torch.device,
) -> Callable[[], int]:
    """Return a training step on a copy of `model` and the first batch; it returns how many images it took."""
    learner = copy.deepcopy(model).train()
    optimizer = build_optimizer(learner, spec.train.optimizer, device)
    scaler = torch.amp.GradScaler(device.type, enabled=spec.train.precision == "fp16")
    _, images, labels = next(training.batches(0))

    def train() -> int:
        train_step(learner, encode(images, 0, 0), labels, optimizer, scaler, spec.train, device)
        return len(images)

    return train
