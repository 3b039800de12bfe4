"""Gradient through time, membrane and dead neurons: as tables, as a sentence, and as the numbers of two figures."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from statistics import fmean

from bench.records.diagnostics import LayerDiagnostics
from bench.report.evidence.comparison import Comparison, Entry
from bench.report.evidence.neuron_layers import (
    found_layers,
    gradient_shares,
    known_membranes,
    mean_over_runs,
    neuron_layers,
)
from bench.report.formats.text import escape, hundredfold, joined, number, percent, table

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


def diagnostics(comparison: Comparison) -> list[str]:
    """Return the blocks of the report's section: notes, what is seen, a table per entry; none without diagnostics."""
    entries = [entry for entry in comparison.entries if found_layers(entry)]
    if not entries:
        return []
    samples = joined(f"{found.samples:,}" for entry in entries for found in found_layers(entry))
    notes = f"On the first {samples} test samples. {GRADIENT_NOTE} {MEMBRANE_NOTE}"
    return [notes, *gradient_sentences(comparison), *map(_entry_table, entries)]


def gradient_sentences(comparison: Comparison) -> Iterator[str]:
    """Say for each T above 1 how much gradient reaches the first timestep, entry by entry, and whose share is larger.

    The share of a run is the mean over its layers. Larger by seed counts the seeds that both entries finished.
    """
    by_timesteps: dict[int, list[tuple[str, dict[int, float]]]] = {}
    for entry in comparison.entries:
        shares = gradient_shares(entry)
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


def _entry_table(entry: Entry) -> str:
    rows = []
    for name, layers in neuron_layers(entry).items():
        membranes = known_membranes(layers)
        cells = [NEVER_FIRES, *[""] * 3]
        if membranes:
            mean, sd, derivative = (
                number(mean_over_runs(membranes, name), 3)
                for name in ("mean", "standard_deviation", "surrogate_mean_derivative")
            )
            support = percent(mean_over_runs(membranes, "within_support_fraction"))
            cells = [
                f"{mean} ± {sd}",
                support,
                percent(mean_over_runs(membranes, "surrogate_active_fraction")),
                derivative,
            ]
        rows.append(
            [
                escape(name),
                joined(f"{layer.units:,}" for layer in layers),
                _relative(layers),
                number(fmean(layer.gradient_norm_by_timestep[-1] for layer in layers), 3),
                percent(mean_over_runs(layers, "dead_fraction")),
                percent(mean_over_runs(layers, "saturated_fraction")),
                *cells,
            ]
        )
    header = ["layer", "neurons", "gradient at t = 1, relative to t = T", "gradient at t = T", "dead", "saturated"]
    header += ["u - θ, mean ± sd over updates", "within support", "surrogate active", "mean derivative"]
    n = len(found_layers(entry))
    seeds = "mean over runs, smallest to largest in brackets" if n > 1 else "one run"
    caption = f"T = {entry.spec.timesteps}, n = {n}: {seeds}."
    return f"### {escape(entry.label)}\n\n{caption}\n\n{table(header, rows)}"


def _relative(layers: Sequence[LayerDiagnostics]) -> str:
    found = [relative[0] for layer in layers if (relative := layer.gradient_relative_by_timestep)]
    if not found:
        return "no gradient"
    spread = f" ({hundredfold(min(found))} to {hundredfold(max(found))})" if len(found) > 1 else ""
    return f"{percent(fmean(found))}{spread}"
