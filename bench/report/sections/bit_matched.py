"""The baseline with as many activation levels as an entry has timesteps, priced analytically."""

from __future__ import annotations

from bench.energy.quantised import activation_bits
from bench.report.evidence.entry import Entry
from bench.report.evidence.evidence import Evidence
from bench.report.evidence.pricing import Priced
from bench.report.formats.document import Block, Paragraph, Section, Table
from bench.report.formats.inline import Inline, Said, text
from bench.report.formats.text import NOT_AVAILABLE, energy_unit, ratio, times
from bench.report.sections.break_even import MODES, spiking
from bench.report.sections.cells import label
from bench.report.sections.soundness import label_and_state


def bit_matched(evidence: Evidence) -> list[Block]:
    """Return a row per cost table and spiking entry, where the table prices narrower activations; or nothing."""
    entries = spiking(evidence.comparison)
    rows = [row for each in evidence.prices for row in _rows(each, entries)]
    if not rows:
        return []
    base = label(evidence.comparison.baseline)
    dense, skipping = (text("quantised ", base, f", {mode} ↓") for mode in ("dense", "zero-skipping"))
    header: list[Inline] = ["cost table", "entry", "T", "bits", dense, "entry, × of it", skipping, "entry, × of it"]
    heading = text(base, " with matched activation bits (analytical)")
    trained = any(layer.input_bits for e in evidence.comparison.entries for run in e.done for layer in run.layers)
    return [Section(heading, [_note(base, trained), Table(header, rows, text_columns=2)])]


def _rows(priced: Priced, entries: list[Entry]) -> list[list[Inline]]:
    means = {
        (entry.label, mode): priced.quantised_baseline(entry.spec.timesteps, mode)
        for entry in entries
        for mode, _ in MODES
    }
    unit = energy_unit(means.values())
    if not any(means.values()):
        return []
    rows = []
    for entry in entries:
        timesteps = entry.spec.timesteps
        row: list[Inline] = [Said(priced.name), label_and_state(entry), str(timesteps), str(activation_bits(timesteps))]
        for mode, _ in MODES:
            mean = means[entry.label, mode]
            own = priced.mean(entry, "total", mode) if priced.comparable(entry) else None
            shown = NOT_AVAILABLE if mean is None else f"{unit.of(mean)} {unit.name}"
            row += [shown, times(ratio(own, mean))]
        rows.append(row)
    return rows


def _note(base: Inline, trained: bool) -> Block:
    beside = "Networks that were trained with few bits are entries of their own; " if trained else ""
    return Paragraph(
        text(
            *("T spikes tell T + 1 values apart, so a fair opponent is ", base, " with ceil(log2(T + 1))-bit "),
            "activations (Yan et al. 2024). ",
            beside or "No such network was trained or counted: ",
            "these are the counts of ",
            *(base, ", with the multiplication of a MAC and the accesses to activations priced in proportion to "),
            "their bits, and everything else as before, the layer that sees the image included. Cost tables without a "
            "price for a MAC are left out.",
        )
    )
