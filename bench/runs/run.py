"""One run from spec to record: build, fit, measure. The whole story on one page; what is kept is told elsewhere."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch

from bench.measure.evaluate import evaluate
from bench.models import weights_digest
from bench.records.record import RunRecord
from bench.runs import provenance
from bench.runs.assembly import assemble, encode_batch, evaluation_sequences, layout, load_arrays, make_loader
from bench.runs.measured import measure_run
from bench.runs.rehearsal import measure_power, rehearsal
from bench.seeding import seed_for
from bench.suite.run_spec import PlannedRun
from bench.train.keeper import Keeper
from bench.train.loop import fit
from bench.train.machine.choose import choose_path
from bench.train.machine.device import algorithms, describe_device, peak_memory_bytes, use_device
from bench.train.machine.path import ExecutionPath
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


def run_one(
    run: PlannedRun,
    place: Place,
    watch: Callable[[Progress], None] = lambda progress: None,
    stop: Callable[[], bool] = lambda: False,
    inspect: Callable[[Callable[[], int], torch.device, str], None] | None = None,
) -> RunRecord:
    """Train (or go on training) one run, measure it and return its record.

    inspect: given a training step on a copy of the network, the device and the path, before training begins.
    Raises RunFailedError when training cannot go on, DataError without its data, train.Interrupted when stopped.
    """
    device = torch.device(place.device)
    with algorithms(run.spec.train.deterministic, device) as used:
        return _run_one(run, place, device, used, watch, stop, inspect)


def _run_one(
    run: PlannedRun,
    place: Place,
    device: torch.device,
    used: str,
    watch: Callable[[Progress], None],
    stop: Callable[[], bool],
    inspect: Callable[[Callable[[], int], torch.device, str], None] | None,
) -> RunRecord:
    began = time.monotonic()
    spec = run.spec
    use_device(device)
    torch.manual_seed(seed_for("dropout", spec.seed))
    model, encoder, dataset = assemble(spec)
    initial_weights = weights_digest(model)
    arrays = load_arrays(dataset, spec, place.data, offline=place.offline)
    model = model.to(device).to(memory_format=layout(spec))
    path, warning = choose_path(place.path, model, spec, dataset, encoder, device, len(arrays.train))

    encode, sequences = partial(encode_batch, spec, encoder), partial(evaluation_sequences, spec, encoder)
    test_loader = make_loader(spec, arrays.test, arrays, encoder, device)
    held_out = None if arrays.validation is None else make_loader(spec, arrays.validation, arrays, encoder, device)

    def test() -> dict[str, float | None]:
        return {
            "test_accuracy_fraction": evaluate(model, sequences(test_loader)).accuracy_fraction,
            "validation_accuracy_fraction": None
            if held_out is None
            else evaluate(model, sequences(held_out)).accuracy_fraction,
        }

    train_loader = make_loader(spec, arrays.train, arrays, encoder, device, train=True)
    if inspect is not None:
        with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
            inspect(rehearsal(model, spec, train_loader, encode, device), device, path)
    history = fit(
        model,
        encode,
        train_loader,
        spec.train,
        device=device,
        code=provenance.code_digest(spec),
        keeper=place.keeper,
        path=path,
        test=test,
        watch=watch,
        stop=stop,
    )
    measured = time.monotonic()
    record = measure_run(run, model, encoder, arrays, partial(sequences, test_loader), history, initial_weights)
    finished = time.monotonic()
    joules = measure_power(model, spec, train_loader, encode, device) if run.measure.power else None
    record = record.model_copy(
        update={
            "provenance": record.provenance
            | {"device": describe_device(device), "path": ", then ".join(history.paths), "algorithms": used}
            | ({"warning": warning} if warning else {}),
            "wall_clock": {
                "train_s": round(history.train_s, 3),
                "images_per_s": round(history.images / history.train_s, 1) if history.train_s else None,
                "measure_s": round(finished - measured, 3),
                "process_s": round(finished - began, 3),
                "peak_memory_bytes": peak_memory_bytes(device),
            }
            | ({"measured_energy": joules} if joules else {}),
        }
    )
    if record.dead:
        _log.warning("dead: no neuron fired in %s; is the threshold too high?", ", ".join(record.dead))
    return record
