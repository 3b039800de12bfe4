"""Which networks a comparison of speed measures. No torch."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Sequence
from pathlib import Path

from bench.errors import BenchError, nearest
from bench.execute.messages import path_to_text
from bench.plugins import registry
from bench.plugins.trust import trusted_modules
from bench.speed.job import Subject
from bench.suite.load import Suite
from bench.train.machine.path import ExecutionPath

PEERS = ("spikingjelly", "snntorch")


def version_of(peer: str) -> str:
    """Return the installed version of another library. Raises BenchError for an unknown or missing one."""
    if peer not in PEERS:
        raise BenchError(f"--against {peer}: unknown library; {nearest(peer, PEERS)}")
    try:
        return importlib.metadata.version(peer)
    except importlib.metadata.PackageNotFoundError:
        raise BenchError(f"--against {peer}: not installed here; install it with: pip install {peer}") from None


def subjects_of(
    suite: Suite,
    only: str | None,
    peers: Sequence[str],
    *,
    device: str,
    data: Path,
    offline: bool,
    path: ExecutionPath,
) -> list[Subject]:
    """Return an entry and the baseline, or all entries, each followed by itself with every peer's neurons.

    The first seed of the suite serves. Raises BenchError for a label that the suite does not have, or for a peer that
    is not there.
    """
    versions = {peer: version_of(peer) for peer in peers}
    baseline, seed = suite.spec.baseline, suite.spec.seeds[0]
    runs = list(suite.select(seed=seed))
    if only is not None:
        wanted = {run.label for run in suite.select(only, seed)} | {baseline}
        runs = [run for run in runs if run.label in wanted]
    subjects = []
    for run in runs:
        own = Subject(
            label=run.label,
            spec=run.spec,
            data=path_to_text(data),
            offline=offline,
            device=device,
            path=path,
            trust=trusted_modules(),
        )
        subjects.append(own)
        if versions and registry.find("neuron", run.spec.neuron.name).flags.get("spiking", True):
            subjects += [own.model_copy(update={"peer": peer, "version": versions[peer]}) for peer in peers]
    return subjects
