"""Where a record comes from: parameters with defaults, the code's digest, the commit, the versions. No torch."""

from __future__ import annotations

import importlib.metadata
import platform
import subprocess
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from bench.plugins import registry
from bench.runs.sources import sources_digest
from bench.suite.fields import PluginSpec, PluginUse, with_named
from bench.suite.run_spec import PlannedRun, RunSpec

RUN = Path(__file__).with_name("run.py")  # where the story of a run begins
TRAINING = Path(__file__).with_name("training.py")  # and its first half, the weights
MOST_REMEMBERED = 10_000  # digests
_DIGESTS: dict[tuple[tuple[Path, str] | None, tuple[int, ...]], tuple[str, tuple[object, ...]]] = {}
_PACKAGES = ("spikebench", "torch", "torchvision", "tonic", "numpy", "fvcore")


def identity(run: PlannedRun) -> dict[str, Any]:
    """Return what a record says of its run whatever became of it: which it was, and with which parameters."""
    return {
        "key": run.key,
        "measure_key": run.measure_key,
        "label": run.label,
        "seed": run.seed,
        "spec": run.spec.to_json(),
        "resolved": resolve_parameters(run.spec),
    }


def resolve_parameters(spec: RunSpec) -> dict[str, dict[str, Any]]:
    """Return every plug-in's parameters with the constructor's defaults filled in, by kind."""
    return {kind: registry.find(kind, part.name).resolve(part.params) for kind, part in _plugins(spec).items()}


def _plugins(spec: RunSpec) -> dict[str, PluginSpec]:
    parts = {"dataset": spec.dataset, "model": spec.model, "neuron": spec.neuron, "encoder": spec.encoder}
    return parts | ({} if spec.model.synapse is None else {"synapse": spec.model.synapse})


def code_digest(spec: RunSpec) -> str:
    """Return 12 hex digits over the sources that make a record: what `run.py` imports, and the run's own plug-ins.

    Another neuron's file, the store, the report or the energy model do not enter: changing them leaves the record
    current. So do comments, docstrings, what errors say, and the place of a file.
    """
    return _remembered((RUN, "bench.runs.run"), _parts(spec), lambda: spec.plugins)


def training_digest(spec: RunSpec) -> str:
    """Return 12 hex digits over the sources that make a run's weights: where they change, it has to be trained anew.

    Where only the rest of `code_digest` changes, the trained network is the same and has only to be measured again.
    """
    return _remembered((TRAINING, "bench.runs.training"), _parts(spec), lambda: spec.plugins)


def digests(spec: RunSpec, begun: str) -> dict[str, str]:
    """Return the digests of a record made now of weights whose training began with the code of the digest `begun`.

    Weights of older code make the record one of older code, whatever has measured them.
    """
    return {"training": begun, "code": code_digest(spec) if begun == training_digest(spec) else begun}


def origin(spec: RunSpec) -> dict[str, Any]:
    """Return where a training that begins now is from: the code's digest, the commit, the versions."""
    return {"training": training_digest(spec), "commit": commit(), "versions": versions()}


def of_run(begun: dict[str, Any], here: dict[str, Any], paths: list[str], warning: str | None) -> dict[str, Any]:
    """Return what a record says of where its numbers come from.

    begun: as training began.  here: as it was measured, told apart where that was elsewhere.  paths: of execution.
    """
    told = {name: value for name, value in begun.items() if name != "training"} | {"path": ", then ".join(paths)}
    elsewhere = {name: value for name, value in here.items() if name != "training" and value != begun.get(name)}
    told |= {"measured": elsewhere} if elsewhere else {}
    return told | ({"warning": warning} if warning else {})


def neuron_digest(neuron: PluginSpec) -> str:
    """Return 12 hex digits over the sources of a neuron: what a deployment of it depends on beside the run's code."""
    return _remembered(None, (neuron,), lambda: with_named([PluginUse("neuron", neuron.name, neuron.params)]))


def _parts(spec: RunSpec) -> tuple[object, ...]:
    """Return what of a run names plug-ins; the runs of an entry share these objects, whatever their seed is."""
    return spec.dataset, spec.model, spec.neuron, spec.encoder, spec.train


def _remembered(
    start: tuple[Path, str] | None, parts: tuple[object, ...], uses: Callable[[], Iterable[PluginUse]]
) -> str:
    """Return the digest of the sources of `start` and of what `uses` returns, which is asked once for these parts."""
    key = start, tuple(map(id, parts))
    found = _DIGESTS.get(key)
    if found is None:
        if len(_DIGESTS) >= MOST_REMEMBERED:
            _DIGESTS.clear()
        found = sources_digest([*filter(None, [start]), *_files(uses())]), parts
        _DIGESTS[key] = found  # with the parts, or another object might get their place in memory
    return found[0]


def _files(uses: Iterable[PluginUse]) -> Iterator[tuple[Path, str]]:
    """Yield the file of each plug-in, and the module it is imported as."""
    return ((info.path, info.module) for use in uses for info in [registry.find(use.kind, use.name)])


def versions() -> dict[str, str]:
    """Return the versions of Python and of the libraries that numbers may depend on."""
    found = {"python": platform.python_version()}
    for name in _PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = "not installed"
    return found


def commit() -> str:
    """Return the commit of the checkout that holds this package, `-dirty` when it has changes, or "unknown"."""
    try:
        done = subprocess.run(
            ["git", "-C", str(RUN.parent), "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"],
            capture_output=True,
            encoding="utf-8",
            timeout=20,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return "unknown"
    return done.stdout.strip()
