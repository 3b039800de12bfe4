"""What the figures of gradient and membrane draw."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from statistics import fmean
from typing import Any

from bench.records.diagnostics import LayerDiagnostics
from bench.report.evidence.comparison import Comparison
from bench.report.evidence.entry import Entry
from bench.report.evidence.neuron_layers import found_layers, known_membranes, neuron_layers


def gradient_flow_data(comparison: Comparison) -> dict[str, Any]:
    """Return the relative gradient norm by timestep of each layer with neurons over time: mean, lowest and highest."""
    return _data(comparison, gradient_layers, lambda entry: entry.spec.timesteps > 1)


def membrane_data(comparison: Comparison) -> dict[str, Any]:
    """Return the share of updates in each bin of u - θ, below and above them, of each layer: mean over runs."""
    return _data(comparison, membrane_layers, lambda entry: True)


def _data(
    comparison: Comparison,
    make: Callable[[Sequence[LayerDiagnostics]], dict[str, Any] | None],
    wanted: Callable[[Entry], bool],
) -> dict[str, Any]:
    entries = []
    for entry in filter(wanted, comparison.entries):
        layers = [{"layer": name} | made for name, found in neuron_layers(entry).items() if (made := make(found))]
        if layers:
            entries.append(named(entry) | {"n": len(found_layers(entry)), "layers": layers})
    return {"entries": entries, "without_data": [entry.label for entry in comparison.entries if not entry.done]}


def named(entry: Entry) -> dict[str, Any]:
    """Return the label of an entry, and the states of its runs where it is not sound."""
    return {"label": entry.label} | ({} if entry.sound else {"state": entry.state})


def gradient_layers(layers: Sequence[LayerDiagnostics]) -> dict[str, Any] | None:
    """Return the curve of one layer over its runs; None where no gradient reaches it."""
    found = [relative for layer in layers if (relative := layer.gradient_relative_by_timestep)]
    if not found:
        return None
    steps = list(zip(*(relative for relative in found if len(relative) == len(found[0])), strict=True))
    return {
        "timesteps": list(range(1, len(steps) + 1)),
        "relative_mean": [fmean(values) for values in steps],
        "relative_low": [min(values) for values in steps],
        "relative_high": [max(values) for values in steps],
    }


def membrane_layers(layers: Sequence[LayerDiagnostics]) -> dict[str, Any] | None:
    """Return the distribution of one layer over its runs; None where the neuron never calls `fire`."""
    found = known_membranes(layers)
    if not found:
        return None
    return {
        "bins_from": found[0].bins_from,
        "bins_to": found[0].bins_to,
        "share_mean": [
            fmean(values)
            for values in zip(*([count / part.updates for count in part.histogram] for part in found), strict=True)
        ],
        "below_mean": fmean(part.updates_below / part.updates for part in found),
        "above_mean": fmean(part.updates_above / part.updates for part in found),
    }
