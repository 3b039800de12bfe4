"""Diagnostics of neuron layers over the runs of an entry."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from statistics import fmean
from typing import Any

from bench.records.diagnostics import Diagnostics, LayerDiagnostics, Membrane
from bench.report.evidence.entry import Entry


def gradient_shares(entry: Entry) -> dict[int, float]:
    """Gradient at t = 1 relative to t = T, mean over the layers that have any, by seed."""
    shares = {}
    for record in entry.done:
        layers = record.diagnostics.layers if record.diagnostics else []
        relative = [layer.gradient_relative_by_timestep for layer in layers]
        if any(relative):
            shares[record.seed] = fmean(values[0] for values in relative if values)
    return shares


def found_layers(entry: Entry) -> list[Diagnostics]:
    """Return the diagnostics of an entry's finished runs."""
    return [record.diagnostics for record in entry.done if record.diagnostics is not None]


def neuron_layers(entry: Entry) -> dict[str, list[LayerDiagnostics]]:
    """The layers of an entry's finished runs by name, from input to output."""
    layers: dict[str, list[LayerDiagnostics]] = {}
    for found in found_layers(entry):
        for layer in found.layers:
            layers.setdefault(layer.name, []).append(layer)
    return layers


def mean_over_runs(parts: Iterable[Any], name: str) -> float:
    """Return the mean of an attribute."""
    return fmean(getattr(part, name) for part in parts)


def known_membranes(layers: Sequence[LayerDiagnostics]) -> list[Membrane]:
    """The membranes with the bins of the first one."""
    found = [layer.membrane for layer in layers if layer.membrane is not None]
    return [part for part in found if _bins(part) == _bins(found[0])]


def _bins(part: Membrane) -> tuple[float, float, int]:
    return part.bins_from, part.bins_to, len(part.histogram)
