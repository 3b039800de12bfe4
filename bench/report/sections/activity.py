"""What was counted on the trained networks: synaptic layers, neurons and the operations outside both."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from statistics import fmean

import pandas as pd

from bench.records.counts import NeuronCount
from bench.report.evidence.comparison import Comparison, Entry
from bench.report.evidence.frames import layers_frame, neurons_frame
from bench.report.formats.text import count_unit, escape, joined, number, table

MOST_VALUES = 4  # learned parameters of one layer that are listed one by one


def layers(comparison: Comparison) -> str:
    """Return a table of synaptic layers per entry, each number the mean over the entry's finished runs."""
    frame = layers_frame(comparison)
    return "\n\n".join(
        f"### {escape(entry.label)}\n\n{_layer_table(frame[frame['entry'] == entry.label])}"
        for entry in comparison.entries
        if entry.done
    )


def _layer_table(frame: pd.DataFrame) -> str:
    if frame.empty:
        return "No synaptic layer was counted."
    dense = count_unit(frame["dense_macs_per_sample"])
    synops = count_unit(frame["effective_synops_per_sample"])
    rows = []
    for name, layer in frame.groupby("layer", sort=False):
        static = bool(layer["static_input"].all())
        once = fmean(layer["effective_synops_per_sample"] / layer["timesteps"]) if static else None
        rows.append(
            [
                escape(str(name)),
                escape(joined(layer["kind"])),
                joined(layer["input_kind"]),
                number(fmean(layer["input_density_fraction"])),
                dense.of(fmean(layer["dense_macs_per_sample"])),
                dense.of(fmean(layer["dense_macs_valid_per_sample"])),
                synops.of(fmean(layer["effective_synops_per_sample"])),
                synops.of(once) if static else "",
                _silent(layer["silent"]),
            ]
        )
    header = [
        *("layer", "kind", "input", "input density", f"dense MACs{_in(dense.name)}"),
        *(f"valid dense MACs{_in(dense.name)}", f"effective synops{_in(synops.name)}"),
        *(f"synops if cached once{_in(synops.name)}", "silent"),
    ]
    return table(header, rows, text_columns=3)


def _in(unit: str) -> str:
    return f", {unit}" if unit else ""


def _silent(flags: pd.Series) -> str:
    count = int(flags.sum())
    return f"**silent** in {count} of {len(flags)} runs" if count else ""


def neurons(comparison: Comparison) -> str:
    """Return a table of neuron layers per entry, each number the mean over the entry's finished runs."""
    frame = neurons_frame(comparison)
    return "\n\n".join(
        f"### {escape(entry.label)}\n\n{_neuron_table(entry, frame[frame['entry'] == entry.label])}"
        for entry in comparison.entries
        if entry.done
    )


def _neuron_table(entry: Entry, frame: pd.DataFrame) -> str:
    if frame.empty:
        return "No neuron layer was counted."
    spikes = count_unit(frame["spikes_per_sample"])
    rows = []
    for name, layer in frame.groupby("layer", sort=False):
        counts = [count for record in entry.done for count in record.neurons if count.name == name]
        rows.append(
            [
                escape(str(name)),
                escape(joined(layer["neuron"])),
                escape(joined(operations(count.ops_per_update) for count in counts)),
                escape(learned(counts)),
                joined(number(count.units) for count in counts),
                number(fmean(layer["firing_rate"])),
                spikes.of(fmean(layer["spikes_per_sample"])),
                joined(str(count.state_words) for count in counts),
            ]
        )
    spiking = bool(frame["spiking"].all())
    rate, output = ("firing rate", "spikes") if spiking else ("non-zero outputs, fraction", "non-zero outputs")
    header = [
        *("layer", "neuron", "operations per update", "learned parameters", "neurons", rate),
        *(f"{output} per sample{_in(spikes.name)}", "state words"),
    ]
    return table(header, rows, text_columns=4)


def operations(ops: dict[str, float]) -> str:
    """Return operations and their numbers as words: `2 mul, 1 add`."""
    return ", ".join(f"{number(count)} {name}" for name, count in sorted(ops.items()) if count) or "none"


def learned(counts: Sequence[NeuronCount]) -> str:
    """Return the learned parameters of one neuron layer as the mean over runs; the range where there are many."""
    parts = []
    for name in sorted({name for count in counts for name in count.parameters}):
        runs = [count.parameters[name] for count in counts if name in count.parameters]
        if len({len(values) for values in runs}) != 1:
            continue
        means = [fmean(values) for values in zip(*runs, strict=True)]
        if len(means) > MOST_VALUES:
            parts.append(f"{name} = {number(fmean(means))} ({number(min(means))} to {number(max(means))})")
        else:
            parts.append(f"{name} = {', '.join(map(number, means))}")
    return "; ".join(parts)


def other_operations(comparison: Comparison) -> str:
    """Return the operations outside synapses and neurons by column, per sample, as the mean over finished runs."""
    rows = []
    for entry in comparison.entries:
        columns = dict.fromkeys(ops.column for record in entry.done for ops in record.other_ops)
        for column in columns:
            found = [ops for record in entry.done for ops in record.other_ops if ops.column == column]
            names = joined(ops.name for ops in found)
            totals = _summed(ops.ops_per_sample for ops in found)
            mean = {name: count / len(entry.done) for name, count in totals.items()}
            rows.append([escape(entry.label), column, escape(names), escape(operations(mean))])
    return table(["entry", "column", "where", "operations per sample"], rows, text_columns=4) if rows else ""


def _summed(parts: Iterable[dict[str, float]]) -> dict[str, float]:
    total: dict[str, float] = {}
    for part in parts:
        for name, count in part.items():
            total[name] = total.get(name, 0.0) + count
    return total


def not_counted(comparison: Comparison) -> str:
    """Return what the counts leave out, by entry; empty when they leave out nothing."""
    rows = []
    for entry in comparison.entries:
        names = joined(name for record in entry.done for name in record.not_counted)
        if names:
            rows.append([escape(entry.label), escape(names)])
    return table(["entry", "not counted"], rows, text_columns=2) if rows else ""
