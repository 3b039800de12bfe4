"""One run from spec to record: build, fit, measure. The whole story on one page; what is kept is told elsewhere."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

import torch

from bench.records.record import RunRecord
from bench.runs import provenance
from bench.runs.measured import measure_run
from bench.runs.metered import measure_power
from bench.runs.training import Inspect, Place, computing, train
from bench.suite.run_spec import PlannedRun
from bench.train.machine.device import describe_device, peak_memory_bytes
from bench.train.machine.processor import describe_processor
from bench.train.pace import Progress

_log = logging.getLogger(__name__)


def run_one(
    run: PlannedRun,
    place: Place,
    watch: Callable[[Progress], None] = lambda progress: None,
    stop: Callable[[], bool] = lambda: False,
    inspect: Inspect | None = None,
) -> RunRecord:
    """Train (or go on training) one run, measure it and return its record.

    A training that is finished and kept is only measured.  inspect: given a training step on a copy of the network, the
    device and the path, before training begins. Raises RunFailedError when training cannot go on, DataError without its
    data, train.Interrupted when stopped, PortableError where a portable run was asked for in a process that cannot
    compute portably.
    """
    began = time.monotonic()
    spec, device = run.spec, torch.device(place.device)
    with computing(spec, device) as used:
        here = provenance.origin(spec) | {
            "device": describe_device(device),
            "machine": describe_processor(bf16=device.type == "cpu" and spec.train.precision == "bf16"),
            "algorithms": used,
        }
        trained = train(spec, place, here, watch, stop, inspect)
        measured = time.monotonic()
        record = measure_run(run, trained)
        finished = time.monotonic()
        joules = measure_power(trained.assembly, trained.training, trained.path) if run.measure.power else None
    history = trained.history
    clock = {
        "train_s": round(history.train_s, 3),
        "images_per_s": round(history.images / history.train_s, 1) if history.train_s else None,
        "measure_s": round(finished - measured, 3),
        "process_s": round(finished - began, 3),
        "peak_memory_bytes": peak_memory_bytes(device),
    } | ({"measured_energy": joules} if joules else {})
    if record.dead:
        _log.warning("dead: no neuron fired in %s; is the threshold too high?", ", ".join(record.dead))
    origin = provenance.of_run(history.origin, here, history.paths, trained.warning)
    return record.model_copy(update={"provenance": origin, "wall_clock": clock})
