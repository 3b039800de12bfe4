"""What was counted on one run."""

from __future__ import annotations

from bench.records.record import RunRecord
from bench.report.formats.document import Block, Bullets, Paragraph, Table
from bench.report.formats.inline import Inline, Said, text
from bench.report.formats.text import number
from bench.report.sections.cells import operations


def counts(record: RunRecord) -> list[Block]:
    """Return the layers, neurons and other operations of a finished run.

    Columns in *total* are exact sums over all counted samples and timesteps; the others are per sample.
    """
    what = f", seed {record.seed}, T = {record.spec['timesteps']}: counted on {record.samples_counted} test samples."
    return [
        Paragraph(text(Said(record.label), what)),
        _layers(record),
        _neurons(record),
        *_others(record),
        *_left_out(record),
    ]


def _layers(record: RunRecord) -> Table:
    rows: list[list[Inline]] = [
        [
            Said(layer.name),
            Said(layer.kind),
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
    header = ["layer", "kind", "input", "input density", "passes", "dense MACs", "valid dense MACs"]
    header += ["effective synops", "effective synops, total", "graded ACs, total"]
    return Table(header, rows, text_columns=3)


def _neurons(record: RunRecord) -> Table:
    rows: list[list[Inline]] = [
        [
            Said(neuron.name),
            Said(neuron.neuron),
            f"{neuron.units:,}",
            number(neuron.firing_rate),
            f"{neuron.spikes_total:,}",
            Said(operations(neuron.ops_per_update)),
            str(neuron.state_words),
        ]
        for neuron in record.neurons
    ]
    header = ["layer", "neuron", "neurons", "firing rate", "spikes, total", "operations per update", "state words"]
    return Table(header, rows, text_columns=2)


def _others(record: RunRecord) -> list[Block]:
    rows = [[Said(other.name), other.column, Said(operations(other.ops_per_sample))] for other in record.other_ops]
    return [Table(["where", "column", "operations per sample"], rows, text_columns=3)] if rows else []


def _left_out(record: RunRecord) -> list[Block]:
    return [Paragraph("Not counted:"), Bullets(list(map(Said, record.not_counted)))] if record.not_counted else []
