"""Every setting that entries share and what sets them apart, and the command that makes it again."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from bench.files.canonical import canonical_json
from bench.report.evidence.comparison import Comparison, Entry
from bench.report.formats.text import escape, table


def settings(comparison: Comparison) -> str:
    """Return every setting that entries share, defaults included, and what sets the entries apart."""
    spec = comparison.suite.spec
    shared = {part: _resolved(comparison, part) for part in ("dataset", "model")} | {
        "train": spec.train.model_dump(mode="json"),
        "measure": {"samples": spec.measure.samples or "the whole test split"}
        | ({"diagnostics": True} if spec.measure.diagnostics else {}),
    }
    rows = [[escape(key), escape(in_words(value))] for key, value in flat(shared)]
    entries = [
        [
            escape(entry.label),
            escape(_plugin(entry, "neuron", entry.spec.neuron.model_dump(mode="json"))),
            escape(_plugin(entry, "encoder", entry.spec.encoder.model_dump(mode="json"))),
            str(entry.spec.timesteps),
            escape(_declared(entry)),
        ]
        for entry in comparison.entries
    ]
    header = ["entry", "neuron", "encoder", "timesteps", "declared difference"]
    return "\n\n".join(
        [
            "Entries differ in these, and in nothing else:",
            table(header, entries, 5),
            "The same for every entry, unless it declares otherwise:",
            table(["setting", "value"], rows, 2),
        ]
    )


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


def flat(values: Mapping[str, Any], prefix: str = "") -> Iterable[tuple[str, Any]]:
    """Yield nested settings as dotted names and values."""
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def in_words(value: Any) -> str:
    """Return a setting's value as people write it."""
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        return ", ".join(map(in_words, value)) or "none"
    return {"null": "none", "true": "yes", "false": "no"}.get(canonical_json(value), canonical_json(value))


def reproduce(comparison: Comparison, tables: Sequence[str]) -> str:
    """Return the command that makes the records and this report, with these cost tables, again."""
    spec = comparison.suite.spec
    path = f"suites/{spec.name}.toml"
    seeds = sorted({slot.run.seed for entry in comparison.trained for slot in entry.slots if slot.record is not None})
    runs = [f"spikebench run {path}"]
    if seeds and seeds != sorted(spec.seeds):
        runs = [f"spikebench run {path} --seed {seed}" for seed in seeds]
    extra = "".join(f" --table {shlex.quote(name)}" for name in tables if name not in spec.energy)
    lines = " && ".join([*runs, f"spikebench report {path}{extra}"])
    return f"```sh\n{lines}\n```"
