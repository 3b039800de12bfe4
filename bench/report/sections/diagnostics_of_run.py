"""What was diagnosed on one run."""

from __future__ import annotations

from collections.abc import Iterable

from bench.records.diagnostics import Diagnostics, LayerDiagnostics
from bench.report.formats.document import Block, Paragraph, Table
from bench.report.formats.inline import Inline, Said, text
from bench.report.formats.text import NOT_AVAILABLE, number, percent
from bench.report.sections.diagnostics import NEVER_FIRES
from bench.suite.run_spec import PlannedRun

GRADIENT_NOTE = "Gradient norm at the input current of timestep t (loss: cross-entropy of the last timestep's logits):"


def diagnostics(run: PlannedRun, found: Diagnostics) -> list[Block]:
    """Return the diagnostics of one run; the histograms are in the JSON and the figure only."""
    steps = [f"t = {step}" for step in range(1, found.timesteps + 1)]
    nothing: list[float | None] = [None] * found.timesteps
    norms = [_numbers(layer, layer.gradient_norm_by_timestep) for layer in found.layers]
    relative = [_numbers(layer, layer.gradient_relative_by_timestep or nothing) for layer in found.layers]
    what = f", seed {run.seed}, T = {found.timesteps}: diagnosed on {found.samples} test samples."
    return [
        Paragraph(text(Said(run.label), what)),
        Paragraph(GRADIENT_NOTE),
        Table(["layer", *steps], norms),
        Paragraph("The same relative to the last timestep:"),
        Table(["layer", *steps], relative),
        Paragraph("Neurons that never fire, and that always fire:"),
        Table(["layer", "neuron", "neurons", "dead", "saturated"], list(map(_units, found.layers)), 2),
        Paragraph("Membrane potential minus threshold, u - θ, and the surrogate's derivative there:"),
        _membranes(found),
    ]


def _numbers(layer: LayerDiagnostics, values: Iterable[float | None]) -> list[Inline]:
    return [Said(layer.name), *map(number, values)]


def _units(layer: LayerDiagnostics) -> list[Inline]:
    return [
        Said(layer.name),
        Said(layer.neuron),
        f"{layer.units:,}",
        f"{layer.dead_units:,} ({percent(layer.dead_fraction)})",
        f"{layer.saturated_units:,} ({percent(layer.saturated_fraction)})",
    ]


def _membranes(found: Diagnostics) -> Table:
    first = next((layer.membrane for layer in found.layers if layer.membrane is not None), None)
    low, high = (number(first.bins_from), number(first.bins_to)) if first else (NOT_AVAILABLE, NOT_AVAILABLE)
    header = ["layer", "mean", "sd", f"below {low}", f"{high} or above", "within support", "surrogate active"]
    return Table([*header, "mean derivative", "updates"], list(map(_membrane, found.layers)))


def _membrane(layer: LayerDiagnostics) -> list[Inline]:
    part = layer.membrane
    if part is None:
        return [Said(layer.name), NEVER_FIRES, *[""] * 7]
    shares = (
        part.updates_below / part.updates,
        part.updates_above / part.updates,
        part.within_support_fraction,
        part.surrogate_active_fraction,
    )
    return [
        Said(layer.name),
        number(part.mean),
        number(part.standard_deviation),
        *map(percent, shares),
        number(part.surrogate_mean_derivative),
        f"{part.updates:,}",
    ]
