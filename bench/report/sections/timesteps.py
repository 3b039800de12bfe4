"""Accuracy when outputs are averaged over the first t timesteps only, and the energy that a network then has used."""

from __future__ import annotations

from bench.report.evidence.comparison import Comparison
from bench.report.evidence.evidence import Evidence
from bench.report.evidence.pricing import DENSE
from bench.report.formats.document import Block, Paragraph, Table
from bench.report.formats.inline import Inline, Said, text
from bench.report.formats.text import energy_unit, ratio, times
from bench.report.sections.cells import figure, label, mean_and_sd, with_unit


def section(evidence: Evidence) -> list[Block]:
    """Return accuracy and energy after each timestep as means over seeds, and the figure of the accuracy."""
    return [
        *_table(evidence.comparison),
        *figure(evidence, "accuracy_by_timestep", "Accuracy after t timesteps"),
        *_energy(evidence),
    ]


def _table(comparison: Comparison) -> list[Block]:
    longest = max(
        (min(len(r.accuracy_by_timestep), e.spec.timesteps) for e in comparison.entries for r in e.done), default=0
    )
    if not longest:
        return []
    rows: list[list[Inline]] = []
    for entry in comparison.entries:
        cells = [mean_and_sd(entry.at_timestep(t)) for t in range(min(longest, entry.spec.timesteps))]
        rows.append([label(entry), *cells, *[""] * (longest - len(cells))])
    return [Table(["entry, accuracy % ↑", *(f"t = {t + 1}" for t in range(longest))], rows)]


def _energy(evidence: Evidence) -> list[Block]:
    """Return the energy of the first t timesteps under the leading table, and as a multiple of the whole baseline."""
    priced, entries = evidence.leading, [e for e in evidence.comparison.entries if e.done and e.spec.timesteps > 1]
    means = {(e.label, t): priced.after(e, t + 1, DENSE).mean for e in entries for t in range(e.spec.timesteps)}
    if not any(value is not None for value in means.values()):
        return []
    unit, longest = energy_unit(means.values()), max(entry.spec.timesteps for entry in entries)
    whole = priced.mean(priced.baseline, "total", DENSE)
    rows: list[list[Inline]] = []
    for entry in entries:
        each = [means[entry.label, t] for t in range(entry.spec.timesteps)]
        shown = priced.comparable(entry)
        cells = [f"{unit.of(pj)} ({times(ratio(pj, whole) if shown else None)})" for pj in each]
        rows.append([label(entry), *cells, *[""] * (longest - len(cells))])
    note = text(
        "Energy per sample of a network that stops after t timesteps, analog layers dense, under ",
        *(Said(priced.name), "; in brackets as a multiple of ", label(priced.baseline), "'s in full. n/a: records of "),
        "an older version did not tell timesteps apart.",
    )
    header = [with_unit("entry, energy ↓", unit), *(f"t = {t + 1}" for t in range(longest))]
    return [Paragraph(note), Table(header, rows)]
