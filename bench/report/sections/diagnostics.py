"""Temporal gradient and membrane: gradient through time, membrane and dead neurons, entry by entry."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean

from bench.records.diagnostics import LayerDiagnostics
from bench.report.evidence.entry import Entry
from bench.report.evidence.evidence import Evidence
from bench.report.evidence.neuron_layers import found_layers, known_membranes, mean_over_runs, neuron_layers
from bench.report.formats.document import Block, Paragraph, Section, Table
from bench.report.formats.inline import Inline, Said, Verbatim, text
from bench.report.formats.text import hundredfold, joined, number, percent
from bench.report.sections.cells import figure, label
from bench.report.sections.gradient import gradient_sentences

NEVER_FIRES = text("never calls ", Verbatim("fire"))

GRADIENT_NOTE = (
    "Gradient: of the cross-entropy of the last timestep's logits alone, with respect to a layer's input current at "
    "timestep t; L2 norm over the layer, root mean square over samples, by autograd in eval mode and float32. "
    "The root mean square weighs the samples that the network gets wrong more than those it is sure of."
)

CUT_NOTE = (
    " Of a network that was trained with its gradient through space alone it is the one that training left out: here "
    "states pass it on."
)

MEMBRANE_NOTE = (
    "u - θ: membrane potential minus threshold, as the neuron compares it, over all units, samples and timesteps. Dead "
    "neurons never fire on these samples, saturated ones fire at every timestep of every sample. The surrogate is "
    "active where its derivative is above 1 % of its height; within its support, where the derivative is not 0."
)

FLOW_CAPTION = "Gradient norm of each neuron layer against the timestep, relative to the last timestep"
MEMBRANE_CAPTION = "Distribution of the membrane potential against the threshold in each neuron layer"


def section(evidence: Evidence) -> list[Block]:
    """Return notes, what is seen, a table per entry and two figures; nothing without diagnostics."""
    entries = [entry for entry in evidence.comparison.entries if found_layers(entry)]
    if not entries:
        return []
    samples = joined(f"{found.samples:,}" for entry in entries for found in found_layers(entry))
    cut = any(record.spec["train"].get("gradient") == "space" for entry in entries for record in entry.done)
    return [
        Paragraph(f"On the first {samples} test samples. {GRADIENT_NOTE}{CUT_NOTE * cut} {MEMBRANE_NOTE}"),
        *map(Paragraph, gradient_sentences(evidence.comparison)),
        *map(_of_entry, entries),
        *figure(evidence, "gradient_flow", FLOW_CAPTION),
        *figure(evidence, "membrane", MEMBRANE_CAPTION),
    ]


def _of_entry(entry: Entry) -> Section:
    header = ["layer", "neurons", "gradient at t = 1, relative to t = T", "gradient at t = T", "dead", "saturated"]
    header += ["u - θ, mean ± sd over updates", "within support", "surrogate active", "mean derivative"]
    rows = [_row(name, layers) for name, layers in neuron_layers(entry).items()]
    n = len(found_layers(entry))
    seeds = "mean over runs, smallest to largest in brackets" if n > 1 else "one run"
    caption = f"T = {entry.spec.timesteps}, n = {n}: {seeds}."
    return Section(label(entry), [Paragraph(caption), Table(header, rows)])


def _row(name: str, layers: Sequence[LayerDiagnostics]) -> list[Inline]:
    return [
        Said(name),
        joined(f"{layer.units:,}" for layer in layers),
        _relative(layers),
        number(fmean(layer.gradient_norm_by_timestep[-1] for layer in layers), 3),
        percent(mean_over_runs(layers, "dead_fraction")),
        percent(mean_over_runs(layers, "saturated_fraction")),
        *_membrane(layers),
    ]


def _membrane(layers: Sequence[LayerDiagnostics]) -> list[Inline]:
    membranes = known_membranes(layers)
    if not membranes:
        return [NEVER_FIRES, "", "", ""]
    mean, sd, derivative = (
        number(mean_over_runs(membranes, name), 3)
        for name in ("mean", "standard_deviation", "surrogate_mean_derivative")
    )
    support, active = (
        percent(mean_over_runs(membranes, name)) for name in ("within_support_fraction", "surrogate_active_fraction")
    )
    return [f"{mean} ± {sd}", support, active, derivative]


def _relative(layers: Sequence[LayerDiagnostics]) -> str:
    found = [relative[0] for layer in layers if (relative := layer.gradient_relative_by_timestep)]
    if not found:
        return "no gradient"
    spread = f" ({hundredfold(min(found))} to {hundredfold(max(found))})" if len(found) > 1 else ""
    return f"{percent(fmean(found))}{spread}"
