"""Every setting that entries share, what sets them apart, and where the suite departs from a published recipe."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bench.files.canonical import canonical_json
from bench.plugins import registry
from bench.report.evidence.comparison import Comparison
from bench.report.evidence.entry import Entry
from bench.report.evidence.evidence import Evidence
from bench.report.formats.document import Block, Bullets, Paragraph, Section, Table
from bench.report.formats.inline import Inline, Said
from bench.report.sections.cells import flat, in_words, label


def section(evidence: Evidence) -> list[Block]:
    """Return what sets the entries apart, every setting that they share, and declared deviations from a recipe."""
    comparison = evidence.comparison
    entries = [_apart(entry) for entry in comparison.entries]
    shared = [[Said(key), Said(in_words(value))] for key, value in flat(_shared(comparison))]
    return [
        Paragraph("Entries differ in these, and in nothing else:"),
        Table(["entry", "neuron", "encoder", "timesteps", "declared difference"], entries, 5),
        *_chosen(comparison),
        Paragraph("The same for every entry, unless it declares otherwise:"),
        Table(["setting", "value"], shared, 2),
        *_deviations(comparison),
    ]


def _chosen(comparison: Comparison) -> list[Block]:
    """Say that nobody chose the recipe for an entry on record, where nothing is tuned."""
    if any(entry.spec.tuned is not None for entry in comparison.trained):
        return []
    held_out = comparison.suite.spec.dataset.validation_fraction
    words = "No search for the recipe is on record, for any entry: another one might favour another entry."
    without = " No training samples were held out, and none chose a setting." if not held_out else ""
    return [Paragraph(words + without)]


def _deviations(comparison: Comparison) -> list[Block]:
    told = comparison.suite.spec.deviations
    return [Section("Deviations from the published recipe", [Bullets(list(map(Said, told)))])] if told else []


def _apart(entry: Entry) -> list[Inline]:
    return [
        label(entry),
        Said(_plugin(entry, "neuron", entry.spec.neuron.model_dump(mode="json"))),
        Said(_plugin(entry, "encoder", entry.spec.encoder.model_dump(mode="json"))),
        str(entry.spec.timesteps),
        Said(_declared(entry)),
    ]


def _shared(comparison: Comparison) -> dict[str, Any]:
    spec = comparison.suite.spec
    measure = {"samples": spec.measure.samples or "the whole test split"}
    return {part: _resolved(comparison, part) for part in ("dataset", "model")} | {
        "train": _trained(comparison),
        "measure": measure | ({"diagnostics": True} if spec.measure.diagnostics else {}),
    }


def _trained(comparison: Comparison) -> dict[str, Any]:
    """The recipe; of an optimiser, schedule or loss only what that one takes."""
    recipe = comparison.suite.spec.train.model_dump(mode="json")
    for kind in ("optimizer", "schedule", "loss"):
        info = registry.find(kind, recipe[kind]["name"])
        known = {"name", *(parameter.name for parameter in info.parameters)}
        recipe[kind] = {name: value for name, value in recipe[kind].items() if name in known}
    return recipe


def _resolved(comparison: Comparison, part: str) -> dict[str, Any]:
    """Parameters as written, then the defaults that the records say were in force for entries without overrides."""
    written: dict[str, Any] = getattr(comparison.suite.spec, part).model_dump(mode="json")
    plain = [entry for entry in comparison.entries if not getattr(entry.spec, part)]
    records = [slot.record for entry in plain for slot in entry.slots if slot.record is not None]
    names = sorted({name for record in records for name in record.resolved.get(part, {})})
    defaults = {
        name: _agreed([record.resolved[part][name] for record in records if name in record.resolved.get(part, {})])
        for name in names
        if name not in written
    }
    return written | defaults


def _plugin(entry: Entry, kind: str, written: Mapping[str, Any]) -> str:
    records = [slot.record for slot in entry.slots if slot.record is not None]
    defaults = sorted({name for record in records for name in record.resolved.get(kind, {})})
    names = dict.fromkeys([*written, *defaults])  # as written, then sorted: records come with their keys in any order
    parts = []
    for name in names:
        if name == "name":
            continue
        found = [record.resolved[kind][name] for record in records if name in record.resolved.get(kind, {})]
        parts.append(f"{name} = {in_words(_agreed(found) if found else written[name])}")
    return f"{written['name']}({', '.join(parts)})" if parts else str(written["name"])


def _agreed(values: list[Any]) -> Any:
    distinct = list({canonical_json(value): value for value in values}.values())
    return distinct[0] if len(distinct) == 1 else " or ".join(map(in_words, distinct))


def _declared(entry: Entry) -> str:
    words = [f"{key} = {in_words(value)}" for key, value in flat(_overrides(entry))]
    return "; ".join([f"the trained weights of {entry.trained_as}", *words] if entry.trained_as else words) or "nothing"


def _overrides(entry: Entry) -> dict[str, Any]:
    return {part: values for part in ("dataset", "model", "train") if (values := getattr(entry.spec, part))}
