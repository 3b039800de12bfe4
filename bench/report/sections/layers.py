"""Operations per layer: what was counted at the synapses of the trained networks."""

from __future__ import annotations

from statistics import fmean

import pandas as pd

from bench.report.evidence.comparison import Comparison
from bench.report.evidence.evidence import Evidence
from bench.report.evidence.frames import layers_frame
from bench.report.formats.document import Block, Paragraph, Section, Table
from bench.report.formats.inline import Emphasis, Inline, Said, Strong, text
from bench.report.formats.text import Unit, count_unit, joined, number
from bench.report.sections.cells import label, with_unit


def section(evidence: Evidence) -> list[Block]:
    """Return a table of synaptic layers per entry, each number the mean over the entry's finished runs."""
    frame = layers_frame(evidence.comparison)
    tables = [
        Section(label(entry), [_table(frame[frame["entry"] == entry.label])])
        for entry in evidence.comparison.entries
        if entry.done
    ]
    return [*_note(evidence.comparison), *tables]


def _note(comparison: Comparison) -> list[Block]:
    done = [record for entry in comparison.entries for record in entry.done]
    counted = joined(f"{record.samples_counted:,}" for record in done if record.samples_counted is not None)
    if not counted:
        return []
    note = text(
        f"Counted on {counted} test samples. Per test sample, summed over all timesteps, mean over finished runs. "
        "Dense MACs count padding taps, valid ones do not. A synop is a non-zero input meeting a weight. ",
        Emphasis("If cached once"),
        ": the input is the same at every timestep, so one pass would do; every other figure charges all timesteps.",
    )
    return [Paragraph(note)]


def _table(frame: pd.DataFrame) -> Block:
    if frame.empty:
        return Paragraph("No synaptic layer was counted.")
    dense = count_unit(frame["dense_macs_per_sample"])
    synops = count_unit(frame["effective_synops_per_sample"])
    header = [
        *("layer", "kind", "input", "input density", with_unit("dense MACs", dense)),
        *(with_unit("valid dense MACs", dense), with_unit("effective synops", synops)),
        *(with_unit("synops if cached once", synops), "silent"),
    ]
    rows = [_row(str(name), layer, dense, synops) for name, layer in frame.groupby("layer", sort=False)]
    return Table(header, rows, text_columns=3)


def _row(name: str, layer: pd.DataFrame, dense: Unit, synops: Unit) -> list[Inline]:
    once = ""
    if layer["static_input"].all():
        once = synops.of(fmean(layer["effective_synops_per_sample"] / layer["timesteps"]))
    silent = int(layer["silent"].sum())
    return [
        Said(name),
        Said(joined(layer["kind"])),
        joined(layer["input_kind"]),
        number(fmean(layer["input_density_fraction"])),
        dense.of(fmean(layer["dense_macs_per_sample"])),
        dense.of(fmean(layer["dense_macs_valid_per_sample"])),
        synops.of(fmean(layer["effective_synops_per_sample"])),
        once,
        text(Strong("silent"), f" in {silent} of {len(layer)} runs") if silent else "",
    ]
