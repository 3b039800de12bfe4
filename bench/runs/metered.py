"""What training and inference take on this machine, by its own counters."""

from __future__ import annotations

import logging
from typing import Any

import torch

from bench.data.feed.loader import DeviceLoader
from bench.measure.meters import MeterError, open_meter
from bench.measure.mode import measuring
from bench.measure.power import measure_energy
from bench.runs.assembly import Assembly
from bench.runs.rehearsal import rehearsal
from bench.train.machine.path import ExecutionPath

_log = logging.getLogger(__name__)


def measure_power(assembly: Assembly, training: DeviceLoader, path: ExecutionPath) -> dict[str, Any] | None:
    """Measure what training and inference take on this machine per sample; None where no counter can be read.

    path: the one that training took. Steps of "graphed" are measured fused, launched one by one; the result says so.
    """
    with open_meter(assembly.device) as meter:
        if meter is None:
            return None
        _, images, _ = next(training.batches(0))

        def infer() -> int:
            with measuring(assembly.model):
                assembly.model(assembly.encode(images, 0, 0))
            return len(images)

        train = rehearsal(assembly, training)
        synchronise = torch.cuda.synchronize if assembly.device.type == "cuda" else lambda: None
        try:
            found = measure_energy(meter, {"training": train, "inference": infer}, synchronise)
        except MeterError as error:  # the run itself is finished, and is not lost for this
            _log.warning("no energy of the simulation: %s", error)
            return None
        return found | {"training_path": "fused" if path == "graphed" else path}
