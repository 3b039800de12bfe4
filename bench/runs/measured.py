"""What is measured on a trained network: accuracy, counts, diagnostics, a deployed neuron, other frames."""

from __future__ import annotations

from collections.abc import Iterator

from torch import Tensor

from bench.data.base import Arrays
from bench.measure.counting.counter import Counter
from bench.measure.counting.outside import encoder_ops
from bench.measure.dense import fvcore_says
from bench.measure.diagnose import diagnose
from bench.measure.evaluate import evaluate
from bench.measure.rearranged import rearranged
from bench.models import synaptic_parameters
from bench.records.correct import pack_correct
from bench.records.measurement import Measurement
from bench.records.record import Deployment, Digests, EpochRow, Rearranged, RunRecord
from bench.runs import provenance
from bench.runs.assembly import Assembly, assemble
from bench.runs.training import Trained
from bench.suite.run_spec import Frames, PlannedRun


def measure_run(run: PlannedRun, trained: Trained) -> RunRecord:
    """Measure a trained network and return its record, still without what only the machine knows."""
    assembly, arrays, history = trained.assembly, trained.arrays, trained.history
    rows = [EpochRow(**row) for row in history.rows]
    return RunRecord(
        **provenance.identity(run),
        **_measured(run, assembly, arrays, trained.batches()).measured,
        status="done",
        data=arrays.source,
        fold=arrays.fold,
        best_accuracy_fraction=max(row.test_accuracy_fraction for row in rows),
        history=rows,
        digests=Digests(
            initial_weights=trained.initial_weights,
            sample_order=history.order,
            **provenance.digests(run.spec, history.origin["training"]),
        ),
        deployed=None if run.measure.deploy is None else _deploy(run, assembly, arrays, trained.batches()),
        tested=[_tested(run, assembly, trained.batches(), frames) for frames in run.measure.tested],
        diagnostics=diagnose(assembly.model, trained.batches()) if run.measure.diagnostics else None,
    )


def _measured(
    run: PlannedRun,
    assembly: Assembly,
    arrays: Arrays,
    batches: Iterator[tuple[Tensor, Tensor]],
) -> Measurement:
    """Evaluate and count a network on the test split."""
    model, encoder = assembly.model, assembly.encoder
    kind = arrays.input_kind if encoder.analog or encoder.events else None
    with Counter(model, input_kind=kind, samples=run.measure.samples) as counter:
        result = evaluate(model, batches)
    counts = counter.counts()
    image = arrays.test.images[:1].float()
    encoding, unknown = encoder_ops(lambda images: encoder.encode(images, run.spec.timesteps, None), image)
    example = encoder.encode(image, run.spec.timesteps, None).clone()  # so that every timestep is worked
    return Measurement(
        accuracy_fraction=result.accuracy_fraction,
        accuracy_by_timestep=result.accuracy_by_timestep,
        correct=pack_correct(result.correct),
        correct_by_timestep=[pack_correct(bits) for bits in result.correct_by_timestep],
        test_samples=len(result.correct),
        samples_counted=counts.samples,
        layers=counts.layers,
        neurons=counts.neurons,
        other_ops=[*encoding, *counts.other_ops],
        not_counted=[*unknown, *counts.not_counted],
        reasons=counts.reasons,
        fvcore_macs=fvcore_says(model, example),
        parameters=sum(parameter.numel() for parameter in model.parameters()),
    )


def _tested(
    run: PlannedRun, assembly: Assembly, batches: Iterator[tuple[Tensor, Tensor]], frames: Frames
) -> Rearranged:
    """Evaluate the trained network on the frames of the test split, shuffled or merged."""
    result = evaluate(assembly.model, rearranged(batches, frames, run.seed))
    return Rearranged(
        frames=frames,
        accuracy_fraction=result.accuracy_fraction,
        accuracy_by_timestep=result.accuracy_by_timestep,
        correct=pack_correct(result.correct),
        test_samples=len(result.correct),
    )


def _deploy(
    run: PlannedRun,
    assembly: Assembly,
    arrays: Arrays,
    batches: Iterator[tuple[Tensor, Tensor]],
) -> Deployment:
    """Measure the trained weights with the neuron that the entry deploys; its network is left as it is."""
    assert run.measure.deploy is not None
    spec = run.spec.deploying(run.measure.deploy)
    deployed = assemble(spec)
    own, weights = deployed.model.state_dict(), dict(synaptic_parameters(assembly.model))
    if spec.neuron.name == run.spec.neuron.name:  # what the neuron has learned is carried to the same one alone
        trained = assembly.model.state_dict()
        weights |= {name: trained[name] for name in own if name in trained and trained[name].shape == own[name].shape}
    deployed.model.load_state_dict(own | weights)
    return Deployment(
        neuron=run.measure.deploy.model_dump(mode="json"),
        code=provenance.neuron_digest(run.measure.deploy),
        resolved=provenance.resolve_parameters(spec)["neuron"],
        **_measured(run, deployed.on(assembly.device), arrays, batches).measured,
    )
