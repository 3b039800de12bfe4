"""One run from spec to record: build, fit, measure. The whole story on one page; what is kept is told elsewhere."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch

from bench.data.feed.loader import DeviceLoader
from bench.measure.evaluate import evaluate
from bench.models import weights_digest
from bench.records.record import RunRecord
from bench.runs import provenance
from bench.runs.assembly import Assembly, TrainingSequences, assemble
from bench.runs.choose import choose_path
from bench.runs.measured import measure_run
from bench.runs.rehearsal import measure_power, rehearsal
from bench.seeding import seed_for
from bench.suite.run_spec import PlannedRun
from bench.train.keeper import Keeper, Saving
from bench.train.learner import Learner
from bench.train.loop import Accuracies, fit
from bench.train.machine.device import algorithms, describe_device, peak_memory_bytes, use_device
from bench.train.machine.path import ExecutionPath
from bench.train.machine.processor import describe_processor
from bench.train.pace import Progress

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Place:
    """Where a run works: none of this may change its numbers beyond float rounding."""

    keeper: Keeper
    data: Path
    offline: bool = False
    device: str = "cpu"
    path: ExecutionPath = "auto"


Inspect = Callable[[Callable[[], int], torch.device, str], None]


def run_one(
    run: PlannedRun,
    place: Place,
    watch: Callable[[Progress], None] = lambda progress: None,
    stop: Callable[[], bool] = lambda: False,
    inspect: Inspect | None = None,
) -> RunRecord:
    """Train (or go on training) one run, measure it and return its record.

    inspect: given a training step on a copy of the network, the device and the path, before training begins.
    Raises RunFailedError when training cannot go on, DataError without its data, train.Interrupted when stopped,
    PortableError where a portable run was asked for in a process that cannot compute portably.
    """
    began = time.monotonic()
    spec, device = run.spec, torch.device(place.device)
    with algorithms(spec.train.deterministic, device, portable=spec.train.portable) as used:
        use_device(device)
        torch.manual_seed(seed_for("dropout", spec.seed))
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
            code=provenance.code_digest(spec),
            test=partial(_accuracies, assembly, test_loader, held_out),
            watch=watch,
            stop=stop,
        )
        measured = time.monotonic()
        record = measure_run(run, assembly, arrays, partial(assembly.sequences, test_loader), history, initial_weights)
        finished = time.monotonic()
        joules = measure_power(assembly, training.loader, path) if run.measure.power else None
    clock = {
        "train_s": round(history.train_s, 3),
        "images_per_s": round(history.images / history.train_s, 1) if history.train_s else None,
        "measure_s": round(finished - measured, 3),
        "process_s": round(finished - began, 3),
        "peak_memory_bytes": peak_memory_bytes(device),
    } | ({"measured_energy": joules} if joules else {})
    machine = {
        "device": describe_device(device),
        "machine": describe_processor(bf16=device.type == "cpu" and spec.train.precision == "bf16"),
        "path": ", then ".join(history.paths),
        "algorithms": used,
    }
    machine |= {"warning": warning} if warning else {}
    if record.dead:
        _log.warning("dead: no neuron fired in %s; is the threshold too high?", ", ".join(record.dead))
    return record.model_copy(update={"provenance": record.provenance | machine, "wall_clock": clock})


def _accuracies(assembly: Assembly, test: DeviceLoader, held_out: DeviceLoader | None) -> Accuracies:
    """Return what a look at the network says after an epoch."""

    def accuracy(loader: DeviceLoader) -> float:
        return evaluate(assembly.model, assembly.sequences(loader)).accuracy_fraction

    validation = None if held_out is None else accuracy(held_out)
    return {"test_accuracy_fraction": accuracy(test), "validation_accuracy_fraction": validation}
