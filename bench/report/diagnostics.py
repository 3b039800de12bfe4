"""Gradient through time, membrane and dead neurons: as tables, as a sentence, and as the numbers of two figures."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

from bench.diagnostics import Diagnostics, LayerDiagnostics, Membrane
from bench.errors import BenchError, nearest
from bench.report.frame import Comparison, Entry
from bench.report.text import NOT_AVAILABLE, escape, joined, number, table
from bench.spec import PlannedRun

ENDINGS = ("png", "svg")
NEVER_FIRES = "never calls `fire`"
GRADIENT_NOTE = (
    "Gradient: of the cross-entropy of the last timestep's logits alone, with respect to a layer's input current at "
    "timestep t; L2 norm over the layer, root mean square over samples, by autograd in eval mode and float32. "
    "The root mean square weighs the samples that the network gets wrong more than those it is sure of."
)
MEMBRANE_NOTE = (
    "u - θ: membrane potential minus threshold, as the neuron compares it, over all units, samples and timesteps. Dead "
    "neurons never fire on these samples, saturated ones fire at every timestep of every sample. The surrogate is "
    "active where its derivative is above 1 % of its height; within its support, where the derivative is not 0."
)


def format_of(path: Path) -> str:
    """Return the format that a figure's name asks for. Raises BenchError for one that cannot be drawn."""
    ending = path.suffix.removeprefix(".").lower()
    if ending not in ENDINGS:
        raise BenchError(f"--figure {path}: unknown format '{ending}'; {nearest(ending, ENDINGS)}")
    return ending


def diagnostics_tables(run: PlannedRun, found: Diagnostics) -> str:
    """Return the diagnostics of one run in markdown; the histograms are in the JSON and the figure only."""
    steps = [f"t = {step}" for step in range(1, found.timesteps + 1)]
    nothing: list[float | None] = [None] * found.timesteps
    norms = [[escape(layer.name), *map(number, layer.gradient_norm_by_timestep)] for layer in found.layers]
    relative = [
        [
            escape(layer.name),
            *map(number, layer.gradient_relative_by_timestep or nothing),
        ]
        for layer in found.layers
    ]
    units = [
        [
            escape(layer.name),
            layer.neuron,
            f"{layer.units:,}",
            f"{layer.dead_units:,} ({percent(layer.dead_fraction)})",
            f"{layer.saturated_units:,} ({percent(layer.saturated_fraction)})",
        ]
        for layer in found.layers
    ]
    header = ["layer", "neuron", "neurons", "dead", "saturated"]
    parts = [
        f"{escape(run.label)}, seed {run.seed}, T = {found.timesteps}: diagnosed on {found.samples} test samples.",
        "Gradient norm at the input current of timestep t (loss: cross-entropy of the last timestep's logits):",
        table(["layer", *steps], norms),
        "The same relative to the last timestep:",
        table(["layer", *steps], relative),
        "Neurons that never fire, and that always fire:",
        table(header, units, 2),
        "Membrane potential minus threshold, u - θ, and the surrogate's derivative there:",
        _membrane_table(found),
    ]
    return "\n\n".join(parts)


def _membrane_table(found: Diagnostics) -> str:
    rows = []
    for layer in found.layers:
        part = layer.membrane
        cells = [NEVER_FIRES, *[""] * 7]
        if part is not None:
            shares = (
                part.updates_below / part.updates,
                part.updates_above / part.updates,
                part.within_support_fraction,
                part.surrogate_active_fraction,
            )
            cells = [number(part.mean), number(part.standard_deviation), *map(percent, shares)]
            cells += [number(part.surrogate_mean_derivative), f"{part.updates:,}"]
        rows.append([escape(layer.name), *cells])
    first = next((layer.membrane for layer in found.layers if layer.membrane is not None), None)
    low, high = (number(first.bins_from), number(first.bins_to)) if first else (NOT_AVAILABLE, NOT_AVAILABLE)
    header = ["layer", "mean", "sd", f"below {low}", f"{high} or above", "within support", "surrogate active"]
    return table([*header, "mean derivative", "updates"], rows)


def percent(fraction: float | None) -> str:
    """Return a fraction as a percentage with three significant digits, or n/a."""
    return NOT_AVAILABLE if fraction is None else f"{_hundredfold(fraction)} %"


def _hundredfold(fraction: float) -> str:
    return number(float(f"{100 * fraction:.9g}"), 3)  # rid of float noise first, so that 30 % is never 30.0 %


def diagnostics(comparison: Comparison) -> list[str]:
    """Return the blocks of the report's section: notes, what is seen, a table per entry; none without diagnostics."""
    entries = [entry for entry in comparison.entries if _found(entry)]
    if not entries:
        return []
    samples = joined(f"{found.samples:,}" for entry in entries for found in _found(entry))
    notes = f"On the first {samples} test samples. {GRADIENT_NOTE} {MEMBRANE_NOTE}"
    return [notes, *gradient_sentences(comparison), *map(_entry_table, entries)]


def gradient_sentences(comparison: Comparison) -> Iterator[str]:
    """Say for each T above 1 how much gradient reaches the first timestep, entry by entry, and whose share is larger.

    The share of a run is the mean over its layers. Larger by seed counts the seeds that both entries finished.
    """
    by_timesteps: dict[int, list[tuple[str, dict[int, float]]]] = {}
    for entry in comparison.entries:
        shares = _shares(entry)
        if shares and entry.spec.timesteps > 1:
            by_timesteps.setdefault(entry.spec.timesteps, []).append((entry.label, shares))
    for timesteps, found in by_timesteps.items():
        means = {label: fmean(shares.values()) for label, shares in found}
        sizes = {len(shares) for _, shares in found}
        each = [
            f"{percent(means[label])} of that at t = {timesteps} in {escape(label)}"
            if index == 0
            else f"{percent(means[label])} in {escape(label)}"
            for index, (label, _) in enumerate(found)
        ]
        if len(sizes) > 1:
            each = [f"{words} (n = {len(shares)})" for words, (_, shares) in zip(each, found, strict=True)]
        listed = ", ".join(each[:-1]) + (" and " if len(each) > 1 else "") + each[-1]
        over = "mean over layers" + (f", n = {next(iter(sizes))}" if len(sizes) == 1 else "")
        sentence = f"At T = {timesteps} the gradient that reaches t = 1 is {listed} ({over})."
        yield sentence + (_larger(dict(found), means) if len(found) > 1 else "")


def _larger(found: dict[str, dict[int, float]], means: dict[str, float]) -> str:
    most, least = max(means, key=lambda label: means[label]), min(means, key=lambda label: means[label])
    if means[most] == means[least]:
        return " No entry has more than another."
    seeds = [seed for seed in found[most] if seed in found[least]]
    wins = sum(found[most][seed] > found[least][seed] for seed in seeds)
    ratio = f"{number(means[most] / means[least], 3)} times" if means[least] else "more than nothing against"
    by_seed = f"; it is the larger of the two in {wins} of {len(seeds)} seeds" if seeds else ""
    return f" The share in {escape(most)} is {ratio} that in {escape(least)}{by_seed}."


def _shares(entry: Entry) -> dict[int, float]:
    """Gradient at t = 1 relative to t = T, mean over the layers that have any, by seed."""
    shares = {}
    for record in entry.done:
        layers = record.diagnostics.layers if record.diagnostics else []
        relative = [layer.gradient_relative_by_timestep for layer in layers]
        if any(relative):
            shares[record.seed] = fmean(values[0] for values in relative if values)
    return shares


def _found(entry: Entry) -> list[Diagnostics]:
    return [record.diagnostics for record in entry.done if record.diagnostics is not None]


def _layers(entry: Entry) -> dict[str, list[LayerDiagnostics]]:
    """The layers of an entry's finished runs by name, from input to output."""
    layers: dict[str, list[LayerDiagnostics]] = {}
    for found in _found(entry):
        for layer in found.layers:
            layers.setdefault(layer.name, []).append(layer)
    return layers


def _mean(parts: Iterable[Any], name: str) -> float:
    return fmean(getattr(part, name) for part in parts)


def _membranes(layers: Sequence[LayerDiagnostics]) -> list[Membrane]:
    """The membranes with the bins of the first one."""
    found = [layer.membrane for layer in layers if layer.membrane is not None]
    return [part for part in found if _bins(part) == _bins(found[0])]


def _bins(part: Membrane) -> tuple[float, float, int]:
    return part.bins_from, part.bins_to, len(part.histogram)


def _entry_table(entry: Entry) -> str:
    rows = []
    for name, layers in _layers(entry).items():
        membranes = _membranes(layers)
        cells = [NEVER_FIRES, *[""] * 3]
        if membranes:
            mean, sd, derivative = (
                number(_mean(membranes, name), 3)
                for name in ("mean", "standard_deviation", "surrogate_mean_derivative")
            )
            support = percent(_mean(membranes, "within_support_fraction"))
            cells = [f"{mean} ± {sd}", support, percent(_mean(membranes, "surrogate_active_fraction")), derivative]
        rows.append(
            [
                escape(name),
                joined(f"{layer.units:,}" for layer in layers),
                _relative(layers),
                number(fmean(layer.gradient_norm_by_timestep[-1] for layer in layers), 3),
                percent(_mean(layers, "dead_fraction")),
                percent(_mean(layers, "saturated_fraction")),
                *cells,
            ]
        )
    header = ["layer", "neurons", "gradient at t = 1, relative to t = T", "gradient at t = T", "dead", "saturated"]
    header += ["u - θ, mean ± sd over updates", "within support", "surrogate active", "mean derivative"]
    n = len(_found(entry))
    seeds = "mean over runs, smallest to largest in brackets" if n > 1 else "one run"
    caption = f"T = {entry.spec.timesteps}, n = {n}: {seeds}."
    return f"### {escape(entry.label)}\n\n{caption}\n\n{table(header, rows)}"


def _relative(layers: Sequence[LayerDiagnostics]) -> str:
    found = [relative[0] for layer in layers if (relative := layer.gradient_relative_by_timestep)]
    if not found:
        return "no gradient"
    spread = f" ({_hundredfold(min(found))} to {_hundredfold(max(found))})" if len(found) > 1 else ""
    return f"{percent(fmean(found))}{spread}"


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
        layers = [{"layer": name} | made for name, found in _layers(entry).items() if (made := make(found))]
        if layers:
            entries.append({"label": entry.label, "n": len(_found(entry)), "layers": layers})
    return {"entries": entries, "without_data": [entry.label for entry in comparison.entries if not entry.done]}


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
    found = _membranes(layers)
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
