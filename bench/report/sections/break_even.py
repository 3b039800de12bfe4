"""On which side of break-even with the baseline a spiking network is, under each cost table."""

from __future__ import annotations

from bench.report.evidence.comparison import Comparison
from bench.report.evidence.entry import Entry
from bench.report.evidence.evidence import Evidence
from bench.report.evidence.pricing import DENSE, ZERO_SKIPPING, Priced, firing_rate
from bench.report.formats.document import Block, Bullets, Paragraph, Section, Table
from bench.report.formats.inline import Inline, Said, Strong, Text, join, listed, text
from bench.report.formats.text import NOT_AVAILABLE, fixed
from bench.report.sections.cells import label
from bench.report.sections.soundness import label_and_state

MODES = ((DENSE, "computed densely"), (ZERO_SKIPPING, "with zeros skipped on both sides"))


def spiking(comparison: Comparison) -> list[Entry]:
    """Return the entries beside the baseline of which something finished and spikes."""
    return [entry for entry in comparison.others if entry.done and firing_rate(entry) is not None]


def break_even(evidence: Evidence) -> list[Block]:
    """Return break-even rates and measured rate per cost table and entry, and a sentence per entry; or nothing."""
    entries, baseline = spiking(evidence.comparison), evidence.comparison.baseline
    if not entries or not baseline.done:
        return []
    rows: list[list[Inline]] = []
    for each in evidence.prices:
        for entry in entries:
            rates = [each.break_even_rate(entry, mode) for mode, _ in MODES]
            if any(rate is not None for rate in rates):
                rows.append([Said(each.name), label(entry), fixed(firing_rate(entry), 4), *map(rate_cell, rates)])
    header = ["cost table", "entry", "measured firing rate", "break-even, dense", "break-even, zero-skipping"]
    tables = [Table(header, rows, text_columns=2)] if rows else []
    lines = Bullets([_sides(evidence, entry) for entry in entries])
    return [Section("Break-even", [_note(label(baseline)), *tables, lines])]


def rate_cell(rate: float | None) -> str:
    """Return a break-even rate, or in words that there is none between 0 and 1."""
    if rate is None:
        return NOT_AVAILABLE
    if rate < 0:
        return "none: more even without a spike"
    return "any: less even at 1" if rate > 1 else fixed(rate, 4)


def _note(base: Inline) -> Block:
    return Paragraph(
        text(
            "The firing rate, in spikes per neuron and timestep, at which an entry's total equals that of ",
            *(base, " under the same table: what spikes cause is taken to be proportional to the rate, everything "),
            "else to be constant. Below it the entry takes less energy.",
        )
    )


def _sides(evidence: Evidence, entry: Entry) -> Text:
    measured, base = firing_rate(entry), label(evidence.comparison.baseline)
    if not entry.sound:
        return text(Strong(label_and_state(entry)), " is on neither side.")
    sentences = [text(Strong(label(entry)), f" fires at {fixed(measured, 4)}.")]
    for mode, words in MODES:
        sides: dict[str, list[Inline]] = {}
        for each in evidence.prices:
            sides.setdefault(_side(evidence, each, entry, mode), []).append(Said(each.name))
        found = join("; ", (text(f"{side} under ", listed(names)) for side, names in sides.items()))
        sentences.append(text("Against ", base, f" {words} it is ", found, "."))
    return join(" ", sentences)


def _side(evidence: Evidence, priced: Priced, entry: Entry, mode: str) -> str:
    """Say on which side of break-even an entry is, as far as its energy over the seeds establishes one."""
    rate = priced.break_even_rate(entry, mode)
    if rate is None and priced.table.operating_point:
        return "on neither side (the power of a whole chip at one load has no break-even rate)"
    if rate is None:
        return f"on neither side ({'some work has no price' if priced.baseline.sound else 'the baseline is not sound'})"
    side = evidence.energy_side(priced, entry, mode)
    if side is None:
        return "not told apart from break-even over the seeds"
    if side == "as much":
        return "exactly at break-even"
    return f"on the side of {side} energy{' at any firing rate' if rate < 0 else ''}"
