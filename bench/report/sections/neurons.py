"""Neurons: what was counted at the neurons of the trained networks, and what they learned."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean

import pandas as pd

from bench.records.counts import NeuronCount
from bench.report.evidence.comparison import Comparison
from bench.report.evidence.entry import Entry
from bench.report.evidence.evidence import Evidence
from bench.report.evidence.frames import neurons_frame
from bench.report.formats.document import Block, Paragraph, Section, Table
from bench.report.formats.inline import Inline, Said
from bench.report.formats.text import Unit, count_unit, joined, number
from bench.report.sections.cells import any_done, figure, label, operations, with_unit

MOST_VALUES = 4  # learned parameters of one layer that are listed one by one
NOTE = "Firing rate: spikes per neuron per timestep. Mean over finished runs, learned parameters too."


def section(evidence: Evidence) -> list[Block]:
    """Return a table of neuron layers per entry, each number the mean over its finished runs, and the figure."""
    frame = neurons_frame(evidence.comparison)
    tables = [
        Section(label(entry), [_table(entry, frame[frame["entry"] == entry.label])])
        for entry in evidence.comparison.entries
        if entry.done
    ]
    note = [Paragraph(NOTE)] if any_done(evidence.comparison) else []
    return [
        *note,
        *tables,
        *_by_timestep(evidence.comparison),
        *figure(evidence, "firing_rate", "Firing rate of each neuron layer"),
    ]


def _by_timestep(comparison: Comparison) -> list[Block]:
    """Return the firing rate of every spiking layer at every timestep; nothing where timesteps were not told apart."""
    rows: list[list[Inline]] = []
    for entry in comparison.entries:
        for name in dict.fromkeys(count.name for record in entry.done for count in record.neurons if count.spiking):
            found = [count for record in entry.done for count in record.neurons if count.name == name]
            rates = [count.firing_rate_by_timestep for count in found if count.timesteps > 1]
            told = [each for each in rates if each is not None]
            if told and len(told) == len(found) and len(set(map(len, told))) == 1:
                rows.append([label(entry), Said(name), *map(number, map(fmean, zip(*told, strict=True)))])
    if not rows:
        return []
    longest = max(map(len, rows)) - 2
    rows = [[*row, *[""] * (longest + 2 - len(row))] for row in rows]
    return [
        Section(
            "Firing rate by timestep",
            [Table(["entry", "layer", *(f"t = {t + 1}" for t in range(longest))], rows, text_columns=2)],
        )
    ]


def _table(entry: Entry, frame: pd.DataFrame) -> Block:
    if frame.empty:
        return Paragraph("No neuron layer was counted.")
    spikes = count_unit(frame["spikes_per_sample"])
    spiking = bool(frame["spiking"].all())
    rate, output = ("firing rate", "spikes") if spiking else ("non-zero outputs, fraction", "non-zero outputs")
    header = [
        *("layer", "neuron", "operations per update", "learned parameters", "neurons", rate),
        *(with_unit(f"{output} per sample", spikes), "state words"),
    ]
    rows = [_row(entry, str(name), layer, spikes) for name, layer in frame.groupby("layer", sort=False)]
    return Table(header, rows, text_columns=4)


def _row(entry: Entry, name: str, layer: pd.DataFrame, spikes: Unit) -> list[Inline]:
    counts = [count for record in entry.done for count in record.neurons if count.name == name]
    return [
        Said(name),
        Said(joined(layer["neuron"])),
        Said(joined(operations(count.ops_per_update) for count in counts)),
        Said(_learned(counts)),
        joined(number(count.units) for count in counts),
        number(fmean(layer["firing_rate"])),
        spikes.of(fmean(layer["spikes_per_sample"])),
        joined(str(count.state_words) for count in counts),
    ]


def _learned(counts: Sequence[NeuronCount]) -> str:
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
