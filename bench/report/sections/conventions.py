"""Energy as papers and tools of others compute it, beside ours, and the causes of the difference."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction

from bench.report.evidence.conventions import NEGLIGIBLE, Converted
from bench.report.evidence.entry import Entry
from bench.report.evidence.evidence import Evidence
from bench.report.evidence.pricing import DENSE
from bench.report.formats.document import Block, Bullets, Paragraph, Section, Table
from bench.report.formats.inline import Emphasis, Inline, Said, Strong, join, text
from bench.report.formats.text import Unit, count_unit, energy_unit, number, times
from bench.report.sections.cells import label, with_unit
from bench.report.sections.soundness import label_and_state

NOTE = (
    "The same counts, charged as others do, errors included: to be held against numbers that were published so, and no "
    "estimate of ours. Per test sample, mean over finished runs. The difference is split by changing one thing at a "
    "time, from left to right: the parts of ours that the convention leaves out, our table's rule and its prices, then "
    "what the convention counts otherwise, and what it adds. The causes add up to the difference exactly, before they "
    "are rounded for print; in another order they would be others."
)


def section(evidence: Evidence) -> list[Block]:
    """Return a subsection per convention that was asked for; nothing without any."""
    entries = [entry for entry in evidence.comparison.entries if entry.done]
    if not evidence.conventions or not entries:
        return []
    return [Paragraph(NOTE), *(_subsection(each, entries) for each in evidence.conventions)]


def _subsection(converted: Converted, entries: Sequence[Entry]) -> Section:
    blocks: list[Block] = [_about(converted), _totals(converted, entries), *_missing(converted, entries)]
    return Section(Said(converted.name), [*blocks, *_split(converted, entries), *_rates(converted, entries)])


def _about(converted: Converted) -> Bullets:
    convention = converted.convention
    lines: list[Inline] = [
        text(Said(convention.title), ". Source: ", Said(convention.source), "."),
        text("Formula, ", Strong(Said(convention.status)), ": ", Said(convention.formula), "."),
        text("Firing rate: ", Said(convention.rate), "."),
    ]
    for words, what in (("In the number", convention.errors), ("Not in the number", convention.not_in_number)):
        if what:
            lines.append(text(Emphasis(words), ": ", join("; ", map(Said, what)), "."))
    return Bullets(lines)


def _totals(converted: Converted, entries: Sequence[Entry]) -> Table:
    means = [(converted.at_least(entry), converted.our_mean(entry)) for entry in entries]
    unit = energy_unit(value for pair in means for value in pair)
    rows: list[list[Inline]] = []
    for entry, (theirs, ours) in zip(entries, means, strict=True):
        complete = converted.mean(entry) is not None
        difference = theirs - ours if complete and theirs is not None and ours is not None else None
        rows.append(
            [
                label_and_state(entry),
                unit.of(theirs) if complete or theirs is None else f"n/a, at least {unit.of(theirs)}",
                times(converted.ratio(entry)),
                unit.of(ours),
                times(converted.ours.ratio(entry, "total", DENSE)),
                _signed(unit, difference),
            ]
        )
    baseline = text("× ", label(converted.ours.baseline))
    return Table(
        [
            f"entry, {unit.name} per sample",
            text("by ", Said(converted.name)),
            baseline,
            text("ours, ", Said(converted.ours.name), ", dense"),
            baseline,
            "difference",
        ],
        rows,
    )


def _missing(converted: Converted, entries: Sequence[Entry]) -> list[Block]:
    reasons: dict[tuple[str, ...], list[Entry]] = {}
    for entry in entries:
        if found := converted.missing(entry):
            reasons.setdefault(found, []).append(entry)
    lines = [
        text("n/a for ", join(", ", map(label, named)), ". Missing: ", join("; ", map(Said, what)), ".")
        for what, named in reasons.items()
    ]
    return [Bullets(lines)] if lines else []


def _split(converted: Converted, entries: Sequence[Entry]) -> list[Block]:
    found = {entry.label: converted.causes(entry) for entry in entries}
    causes = {name: each for name, each in found.items() if each is not None}
    if not causes:
        return []
    largest = max(abs(value) for each in causes.values() for value in each.values())
    shown = dict.fromkeys(
        name for each in causes.values() for name, value in each.items() if abs(value) > NEGLIGIBLE * largest
    )
    ordered = [name for name in next(iter(causes.values())) if name in shown]
    unit = energy_unit([float(largest)])
    rows: list[list[Inline]] = []
    for entry in entries:
        own = causes.get(entry.label)
        if own is not None:
            bound = "" if converted.mean(entry) is not None else " (of the lower bound)"
            cells = [_cause(unit, own, name, largest) for name in ordered]
            total = _signed(unit, float(sum(own.values(), Fraction(0))))
            rows.append([text(label(entry), bound), *cells, Strong(total)])
    return [Table([f"difference, {unit.name}, by cause", *ordered, "together"], rows)]


def _cause(unit: Unit, own: Mapping[str, Fraction], name: str, largest: Fraction) -> str:
    value = own.get(name, Fraction(0))
    return "" if abs(value) <= NEGLIGIBLE * largest else _signed(unit, float(value))


def _signed(unit: Unit, value: float | None) -> str:
    written = unit.of(value)
    return f"+{written}" if value is not None and value > 0 else written


def _rates(converted: Converted, entries: Sequence[Entry]) -> list[Block]:
    layers = [(entry, layer) for entry in entries for layer in converted.layers(entry)]
    if not layers:
        return []
    unit = count_unit(layer.operations_per_sample for _, layer in layers)
    rows: list[list[Inline]] = [
        [
            label(entry),
            Said(layer.name),
            layer.operation,
            "" if layer.rate is None else number(layer.rate),
            number(layer.times),
            "" if layer.rate is None else number(layer.rate * layer.times),
            unit.of(layer.operations_per_sample),
        ]
        for entry, layer in layers
    ]
    header: list[Inline] = ["entry", "layer", "charged as", "firing rate", "timesteps charged", "rate × timesteps"]
    return [Table([*header, with_unit("operations per sample", unit)], rows, text_columns=3)]
