"""Tables of one run: its counts, its diagnostics."""

from __future__ import annotations

from pathlib import Path

from bench.errors import BenchError, nearest
from bench.records.diagnostics import Diagnostics
from bench.records.record import RunRecord
from bench.report.formats.text import NOT_AVAILABLE, bullets, escape, number, percent, table
from bench.report.sections.activity import operations
from bench.report.sections.diagnostics import NEVER_FIRES
from bench.suite.run_spec import PlannedRun


def count_tables(record: RunRecord) -> str:
    """Return the layers, neurons and other operations of a finished run in markdown.

    Columns in *total* are exact sums over all counted samples and timesteps; the others are per sample.
    """
    layers = [
        [
            escape(layer.name),
            escape(layer.kind),
            layer.input_kind + (f" ({layer.input_levels} levels of {layer.input_unit:g})" if layer.input_unit else ""),
            number(layer.input_density_fraction) + (" silent" if layer.silent else ""),
            f"{layer.timesteps}" + (" (one would do)" if layer.static_input else ""),
            f"{layer.dense_macs_per_sample:,.0f}",
            f"{layer.dense_macs_valid_per_sample:,.0f}",
            f"{layer.effective_synops_per_sample:,.3f}",
            f"{layer.effective_synops_total:,}",
            "" if layer.graded_acs_total is None else f"{layer.graded_acs_total:,}",
        ]
        for layer in record.layers
    ]
    neurons = [
        [
            escape(neuron.name),
            escape(neuron.neuron),
            f"{neuron.units:,}",
            number(neuron.firing_rate),
            f"{neuron.spikes_total:,}",
            escape(operations(neuron.ops_per_update)),
            str(neuron.state_words),
        ]
        for neuron in record.neurons
    ]
    others = [
        [escape(other.name), other.column, escape(operations(other.ops_per_sample))] for other in record.other_ops
    ]
    layer_header = ["layer", "kind", "input", "input density", "passes", "dense MACs", "valid dense MACs"]
    layer_header += ["effective synops", "effective synops, total", "graded ACs, total"]
    neuron_header = [
        "layer",
        "neuron",
        "neurons",
        "firing rate",
        "spikes, total",
        "operations per update",
        "state words",
    ]
    parts = [
        f"{escape(record.label)}, seed {record.seed}, T = {record.spec['timesteps']}: "
        f"counted on {record.samples_counted} test samples.",
        table(layer_header, layers, text_columns=3),
        table(neuron_header, neurons, text_columns=2),
        table(["where", "column", "operations per sample"], others, text_columns=3) if others else "",
        "Not counted:\n\n" + bullets(map(escape, record.not_counted)) if record.not_counted else "",
    ]
    return "\n\n".join(part for part in parts if part)


ENDINGS = ("png", "svg")


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
