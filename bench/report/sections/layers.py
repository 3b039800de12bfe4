"""Operations per layer: what was counted at the synapses of the trained networks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from statistics import fmean

import pandas as pd

from bench.records.record import RunRecord
from bench.report.evidence.comparison import Comparison
from bench.report.evidence.evidence import Evidence
from bench.report.evidence.frames import layers_frame
from bench.report.formats.document import Block, Paragraph, Section, Table
from bench.report.formats.inline import Emphasis, Inline, Said, Strong, join, text
from bench.report.formats.text import Unit, count_unit, joined, number
from bench.report.sections.cells import label, with_unit

MOST_NAMED = 5  # layers that fvcore counts otherwise


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
    return [Paragraph(note), *_fvcore(done), *_older(done)]


def _fvcore(done: Sequence[RunRecord]) -> list[Block]:
    """Say whether fvcore counts the same dense MACs; nothing where no record has its count."""
    asked = [record for record in done if record.fvcore_macs is not None]
    wrong = [words for record in asked for words in _unlike(record)]
    if not asked:
        return []
    if not wrong:
        where = "" if len(asked) == len(done) else f", in {len(asked)} of {len(done)} records; the others do not say"
        return [Paragraph(f"fvcore, another counter, finds the same dense MACs in every layer{where}.")]
    more = len(wrong) - MOST_NAMED
    named = [*map(Said, wrong[:MOST_NAMED]), *([Said(f"{more} more")] if more > 0 else [])]
    return [Paragraph(text("fvcore, another counter, finds other dense MACs: ", join("; ", named), "."))]


def _unlike(record: RunRecord) -> Iterator[str]:
    ours: dict[str, float] = {}
    for layer in record.layers:
        if layer.second_kind is not None:  # fvcore is asked for layers of weights alone
            continue
        name = layer.name.partition(" #")[0]
        ours[name] = ours.get(name, 0.0) + layer.dense_macs_per_sample
    theirs = record.fvcore_macs or {}
    for name in dict.fromkeys([*ours, *theirs]):
        one, other = ours.get(name, 0.0), theirs.get(name, 0)
        if one != other:
            yield f"{record.label} seed {record.seed}, {name}: {other:,} where we have {one:,.0f}"


def _older(done: Sequence[RunRecord]) -> list[Block]:
    """Say which records were counted by an older rule, which charged more to neurons of spikes."""
    older = [record for record in done if record.digests is not None and not record.digests.training]
    if not older or not any(neuron.spiking for record in older for neuron in record.neurons):
        return []
    which = "All records are" if len(older) == len(done) else f"{len(older)} of {len(done)} records are"
    return [
        Paragraph(
            f"{which} of an older version, which charged neurons a multiplication for a product with a spike or with "
            "a power of two, and norms behind sums in full, and did not tell timesteps apart. Running the suite again "
            "counts them as today."
        )
    ]


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


def _bits(column: pd.Series[float], words: str) -> str:
    """Say how wide quantised numbers are; nothing of those that are not."""
    widths = joined(f"{bits:.0f}" for bits in column.dropna().astype(float))
    return words.format(widths) if widths else ""


def _weights(layer: pd.DataFrame) -> str:
    """Say how wide quantised weights are, and which share of the weights is zero."""
    zeros = fmean(layer["zero_weights_fraction"])
    return _bits(layer["weight_bits"], ", {}-bit weights") + (f", {100 * zeros:.1f} % of them 0" if zeros else "")


def _row(name: str, layer: pd.DataFrame, dense: Unit, synops: Unit) -> list[Inline]:
    once = ""
    if layer["static_input"].all():
        once = synops.of(fmean(layer["effective_synops_per_sample"] / layer["timesteps"]))
    silent = int(layer["silent"].sum())
    return [
        Said(name),
        Said(f"{joined(layer['kind'])}{_weights(layer)}"),
        f"{joined(layer['input_kind'])}{_bits(layer['input_bits'], ' of {} bits')}",
        number(fmean(layer["input_density_fraction"])),
        dense.of(fmean(layer["dense_macs_per_sample"])),
        dense.of(fmean(layer["dense_macs_valid_per_sample"])),
        synops.of(fmean(layer["effective_synops_per_sample"])),
        once,
        text(Strong("silent"), f" in {silent} of {len(layer)} runs") if silent else "",
    ]
