"""The counts of one run as they are stored: exact integers, layer by layer."""

from __future__ import annotations

from bench.record import RunRecord
from bench.report.activity import operations
from bench.report.text import bullets, escape, number, table


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
