"""A trained run taken up again from its checkpoint, to look at it more closely or to hand it on."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench.errors import BenchError, CorruptError
from bench.measure.diagnose import diagnose, spiking_neurons
from bench.nir.fold import fold
from bench.nir.package import nir_library
from bench.nir.write import nir_file, to_nir
from bench.records.diagnostics import Diagnostics
from bench.runs.assembly import Assembly, assemble
from bench.store.checkpoints import read_state
from bench.store.folder import RunFolder
from bench.store.store import Store
from bench.suite.load import Suite
from bench.suite.run_spec import PlannedRun


def diagnose_trained(
    suite: Suite, label: str, seed: int | None, store: Store, data: Path, offline: bool = False
) -> tuple[PlannedRun, Diagnostics]:
    """Diagnose the first run of an entry, or that of one seed, whose training is finished; on the CPU, writing nothing.

    Raises BenchError where nothing spikes or nothing is trained, CorruptError for a damaged checkpoint.
    """
    spec = suite.select(label, seed)[0].spec
    if not spiking_neurons(assemble(spec).model):
        raise BenchError(f"{suite.path}: nothing to diagnose in '{label}': neuron '{spec.neuron.name}' does not spike")
    run, assembly = trained(suite, label, seed, store)
    arrays = assembly.load(data, offline=offline)
    found = diagnose(assembly.model, assembly.sequences(assembly.loader(arrays.test, arrays)))
    assert found is not None
    return run, found


def trained_as_nir(suite: Suite, label: str, seed: int | None, store: Store) -> tuple[PlannedRun, bytes]:
    """Return the first run of an entry, or that of one seed, whose training is finished, and its network as a NIR file.

    Raises BenchError where NIR cannot say what the network does, before a trained one is looked for; where nothing is
    trained; CorruptError for a damaged checkpoint.
    """
    nir_library()
    initial = assemble(suite.select(label, seed)[0].spec)
    shape = (initial.dataset.in_channels, *initial.dataset.image_size)
    try:
        to_nir(fold(initial.model.eval(), shape), shape, {})
    except BenchError as error:
        raise BenchError(f"{suite.path}: '{label}' cannot be written as NIR:\n{error}") from error
    run, assembly = trained(suite, label, seed, store)
    origin = {"suite": suite.name, "label": run.label, "seed": run.seed, "key": run.key}
    spec = run.spec
    use = {"timesteps": spec.timesteps, "encoder": spec.encoder.name, "readout": "mean over timesteps"}
    return run, nir_file(assembly.model, shape, origin | use)


def trained(suite: Suite, label: str, seed: int | None, store: Store) -> tuple[PlannedRun, Assembly]:
    """Return the first run of an entry, or that of one seed, whose training is finished, with its trained network.

    Raises BenchError where nothing is trained, CorruptError for a damaged checkpoint.
    """
    run, weights = _first_trained(suite, suite.select(label, seed), store)
    assembly = assemble(run.spec)
    try:
        assembly.model.load_state_dict(weights)
    except (RuntimeError, TypeError, AttributeError) as error:
        raise _damaged(store.folder(run)) from error
    return run, assembly


def _first_trained(suite: Suite, runs: Sequence[PlannedRun], store: Store) -> tuple[PlannedRun, Any]:
    begun = ""
    for run in runs:
        folder, epochs = store.folder(run), run.spec.train.epochs
        if not folder.checkpoint.is_file():
            continue
        state = read_state(folder.checkpoint)
        try:
            epoch, weights = int(state["epoch"]), state["model"]
        except (LookupError, TypeError, ValueError) as error:
            raise _damaged(folder) from error
        if epoch >= epochs:
            return run, weights
        begun = begun or f" (seed {run.seed} has {epoch} of {epochs} epochs)"
    label, which = runs[0].label, f" with seed {runs[0].seed}" if len(runs) == 1 else ""
    raise BenchError(
        f"{suite.path}: {store.root} holds no trained network of '{label}'{which}{begun}; "
        f"train it with: spikebench run {suite.arguments} --only {shlex.quote(label)}"
    )


def _damaged(folder: RunFolder) -> CorruptError:
    return CorruptError(folder.checkpoint, "is not a checkpoint of this run; `spikebench run` sets it aside")
