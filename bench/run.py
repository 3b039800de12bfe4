"""One run from spec to record: build, fit, measure. The whole story on one page."""

from __future__ import annotations

import contextlib
import copy
import logging
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from bench import provenance, registry
from bench.data.base import Arrays, Dataset
from bench.data.loader import DeviceLoader
from bench.device import algorithms, describe_device, peak_memory_bytes, use_device
from bench.encoders.base import Encoder
from bench.fuse import choose_path
from bench.inputs import encode_batch, evaluation_sequences, load_arrays, make_dataset, make_loader
from bench.measure.diagnose import diagnose
from bench.measure.evaluate import Counter, evaluate, measuring
from bench.measure.other import encoder_ops
from bench.measure.power import measure_energy, open_meter
from bench.models import build_model, synaptic_parameters, weights_digest
from bench.packing import pack_correct
from bench.path import ExecutionPath
from bench.record import Deployment, Digests, EpochRow, RunRecord
from bench.seeding import seed_for
from bench.spec import PlannedRun, RunSpec
from bench.store import RunFolder, atomic_write
from bench.train import History, Progress, build_optimizer, fit, train_step

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Place:
    """Where a run works: none of this may change its numbers beyond float rounding."""

    folder: RunFolder
    data: Path
    offline: bool = False
    device: str = "cpu"
    path: ExecutionPath = "auto"
    before_write: Callable[[], None] = lambda: None  # raises what keeps a checkpoint or the record from being written


def assemble(spec: RunSpec) -> tuple[nn.Module, Encoder, Dataset]:
    """Build the network with its initial weights, the encoder and the (unloaded) data set of a run."""
    dataset = make_dataset(spec)
    encoder: Encoder = registry.create("encoder", spec.encoder.name, **spec.encoder.params)
    model = build_model(
        spec.model.name,
        neuron=spec.neuron.name,
        neuron_params=spec.neuron.params,
        in_channels=dataset.in_channels,
        classes=dataset.classes,
        image_size=dataset.image_size,
        batch_norm=spec.model.batch_norm,
        weight_seed=seed_for("weights", spec.seed),
        **spec.model.params,
    )
    return model, encoder, dataset


def run_one(
    run: PlannedRun,
    place: Place,
    watch: Callable[[Progress], None] = lambda progress: None,
    stop: Callable[[], bool] = lambda: False,
    inspect: Callable[[Callable[[], int], torch.device, str], None] | None = None,
) -> RunRecord:
    """Train (or go on training) one run, measure it and write its record; return the record.

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
            inspect(_rehearsal(model, spec, train_loader, encode, device), device, path)
    history = fit(
        model,
        encode,
        train_loader,
        spec.train,
        device=device,
        code=provenance.code_digest(spec),
        checkpoint=place.folder.checkpoint,
        path=path,
        test=test,
        watch=watch,
        stop=stop,
        before_save=place.before_write,
    )
    measured = time.monotonic()
    record = _measure(run, model, encoder, arrays, partial(sequences, test_loader), history, initial_weights)
    finished = time.monotonic()
    joules = _measure_power(model, spec, train_loader, encode, device) if run.measure.power else None
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
    place.before_write()
    atomic_write(place.folder.record, record.to_json() + "\n")
    with contextlib.suppress(OSError):  # the record counts for more
        place.folder.failure.unlink()
    return record


def _measure(
    run: PlannedRun,
    model: nn.Module,
    encoder: Encoder,
    arrays: Arrays,
    batches: Callable[[], Iterator[tuple[Tensor, Tensor]]],
    history: History,
    initial_weights: str,
) -> RunRecord:
    rows = [EpochRow.model_validate(row) for row in history.rows]
    return RunRecord(
        key=run.key,
        measure_key=run.measure_key,
        label=run.label,
        seed=run.seed,
        spec=run.spec.to_json(),
        resolved=provenance.resolve_parameters(run.spec),
        status="done",
        data=arrays.source,
        best_accuracy_fraction=max(row.test_accuracy_fraction for row in rows),
        history=rows,
        digests=Digests(
            initial_weights=initial_weights,
            sample_order=history.order,
            code=history.code,
        ),
        provenance={"commit": provenance.commit(), "versions": provenance.versions()},
        **_measured(run, model, encoder, arrays, batches()),
        deployed=None if run.measure.deploy is None else _deploy(run, model, encoder, arrays, batches()),
        diagnostics=diagnose(model, batches()) if run.measure.diagnostics else None,
    )


def _measured(
    run: PlannedRun,
    model: nn.Module,
    encoder: Encoder,
    arrays: Arrays,
    batches: Iterator[tuple[Tensor, Tensor]],
) -> dict[str, Any]:
    """Evaluate and count a network on the test split: the fields that a record and a deployment share."""
    kind = arrays.input_kind if encoder.analog or encoder.events else None
    with Counter(model, input_kind=kind, samples=run.measure.samples) as counter:
        result = evaluate(model, batches)
    counts = counter.counts()
    image = arrays.test.images[:1].float()
    encoding, unknown = encoder_ops(lambda images: encoder.encode(images, run.spec.timesteps, None), image)
    return {
        "accuracy_fraction": result.accuracy_fraction,
        "accuracy_by_timestep": result.accuracy_by_timestep,
        "correct": pack_correct(result.correct),
        "test_samples": len(result.correct),
        "samples_counted": counts.samples,
        "layers": counts.layers,
        "neurons": counts.neurons,
        "other_ops": [*encoding, *counts.other_ops],
        "not_counted": [*unknown, *counts.not_counted],
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
    }


def _deploy(
    run: PlannedRun,
    model: nn.Module,
    encoder: Encoder,
    arrays: Arrays,
    batches: Iterator[tuple[Tensor, Tensor]],
) -> Deployment:
    """Measure the trained weights with the neuron that the entry deploys; `model` is left as it is."""
    assert run.measure.deploy is not None
    spec = run.spec.model_copy(update={"neuron": run.measure.deploy})
    deployed, _, _ = assemble(spec)
    own, weights = deployed.state_dict(), dict(synaptic_parameters(model))
    if spec.neuron.name == run.spec.neuron.name:  # what the neuron has learned is carried to the same one alone
        trained = model.state_dict()
        weights |= {name: trained[name] for name in own if name in trained and trained[name].shape == own[name].shape}
    deployed.load_state_dict(own | weights)
    some = next(model.parameters())
    deployed = deployed.to(some.device).to(memory_format=layout(spec))
    return Deployment(
        neuron=run.measure.deploy.model_dump(mode="json"),
        code=provenance.neuron_digest(run.measure.deploy),
        resolved=provenance.resolve_parameters(spec)["neuron"],
        **_measured(run, deployed, encoder, arrays, batches),
    )


def layout(spec: RunSpec) -> torch.memory_format:
    """Return the memory format of a run's parameters and images."""
    return torch.channels_last if spec.train.channels_last else torch.contiguous_format


def _measure_power(
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

        train = _rehearsal(model, spec, training, encode, device)
        synchronise = torch.cuda.synchronize if device.type == "cuda" else lambda: None
        return measure_energy(meter, {"training": train, "inference": infer}, synchronise)


def _rehearsal(
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
