"""Where a record comes from: parameters with defaults, the code's digest, the commit, the versions. No torch."""

from __future__ import annotations

import importlib.metadata
import platform
import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from bench.plugins import registry
from bench.runs.sources import sources_digest
from bench.suite.fields import PluginSpec, PluginUse, with_named
from bench.suite.run_spec import PlannedRun, RunSpec

RUN = Path(__file__).with_name("run.py")  # where the story of a run begins
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
    return {"dataset": spec.dataset, "model": spec.model, "neuron": spec.neuron, "encoder": spec.encoder}


def code_digest(spec: RunSpec) -> str:
    """Return 12 hex digits over the sources that make a record: what `run.py` imports, and the run's own plug-ins.

    Another neuron's file, the store, the report or the energy model do not enter: changing them leaves the record
    current. So do comments, docstrings, what errors say, and the place of a file.
    """
    return sources_digest([(RUN, "bench.runs.run"), *_files(spec.plugins)])


def neuron_digest(neuron: PluginSpec) -> str:
    """Return 12 hex digits over the sources of a neuron: what a deployment of it depends on beside the run's code."""
    return sources_digest(_files(with_named([PluginUse("neuron", neuron.name, neuron.params)])))


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
