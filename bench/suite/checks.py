"""What is wrong with a suite that no schema can say."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from bench.energy.table import load_table
from bench.errors import BenchError, nearest
from bench.plugins import registry
from bench.suite.explain import OVERRIDABLE, explain, key_path
from bench.suite.fields import MOST_ENTRIES, MOST_RUNS, MOST_TABLES, PluginSpec
from bench.suite.run_spec import DatasetSpec, ModelSpec
from bench.suite.spec import EntrySpec, SuiteSpec


def _plugin_problems(data: Mapping[str, Any]) -> list[str]:
    """Check names and parameters of plug-ins in the raw data, so that they show beside schema errors."""
    found = []
    for kind, model in (("dataset", DatasetSpec), ("model", ModelSpec)):
        found += _one_plugin(kind, data.get(kind), kind, list(model.model_fields))
    entries = data.get("entries")
    for index, entry in enumerate(entries[:MOST_ENTRIES] if isinstance(entries, list) else []):
        if isinstance(entry, dict):
            for key, kind in (("neuron", "neuron"), ("encoder", "encoder"), ("deploy", "neuron")):
                where = key_path(("entries", index, key), data)
                found += _one_plugin(kind, entry.get(key), where, list(PluginSpec.model_fields))
    return found


def _one_plugin(kind: str, table: Any, where: str, own_keys: Sequence[str]) -> list[str]:
    if not isinstance(table, dict) or not isinstance(table.get("name"), str):
        return []
    try:
        info = registry.find(kind, table["name"])
    except BenchError as error:
        return [f"{where}.name: {error}"]
    params = {key: value for key, value in table.items() if key not in own_keys}
    wrong = info.problems(params)
    known = [*own_keys, *(parameter.name for parameter in info.parameters)]
    return [
        f"{where}.{key}: {message}" if key in known else f"{where}.{key:.60}: unknown key; {nearest(key, known)}"
        for key, message in wrong.items()
    ]


def raw_problems(data: Mapping[str, Any], path: Path) -> list[str]:
    """Check what the schema alone cannot say, in the raw data, so that it shows beside schema errors."""
    return [*_plugin_problems(data), *_label_problems(data), *_list_problems(data, path)]


def _label_problems(data: Mapping[str, Any]) -> Iterator[str]:
    entries = data.get("entries")
    labels = (
        [e["label"] for e in entries if isinstance(e, dict) and isinstance(e.get("label"), str)]
        if (isinstance(entries, list))
        else []
    )
    for label, count in sorted(Counter(labels).items()):
        if count > 1:
            yield f"entries: {count} entries are labelled '{label:.60}'; give each its own label"
    baseline = data.get("baseline")
    if isinstance(baseline, str) and labels and baseline not in labels:
        yield f"baseline: no entry '{baseline:.60}'; {nearest(baseline, labels)}"


def _list_problems(data: Mapping[str, Any], path: Path) -> Iterator[str]:
    for key, what in (("seeds", "seed"), ("energy", "table")):
        values = data.get(key)
        plain = [value for value in values if isinstance(value, int | str)] if isinstance(values, list) else []
        if len(set(plain)) < len(plain):
            yield f"{key}: a {what} stands twice in {values!r:.60}"
    tables = data.get("energy")
    for index, name in enumerate(tables[:MOST_TABLES] if isinstance(tables, list) else []):
        try:
            if isinstance(name, str):
                load_table(name)
        except BenchError as error:
            yield f"energy[{index}]: {error}"
    smaller = data.get("smaller")
    beside = sorted(other.stem for other in path.parent.glob("*.toml") if other.is_file())
    if isinstance(smaller, str) and smaller not in beside:
        yield f"smaller: no suite '{smaller:.60}' beside this one; {nearest(smaller, beside)}"


def match_problems(spec: SuiteSpec, data: Mapping[str, Any]) -> Iterator[str]:
    """Yield where entries differ in more than they may, or than they declare, and where they are too many."""
    runs = len(spec.entries) * len(spec.seeds)
    if runs > MOST_RUNS:
        yield f"entries: {len(spec.entries)} with {len(spec.seeds)} seeds are {runs:,} runs; at most {MOST_RUNS:,}"
    for index, entry in enumerate(spec.entries):
        where = key_path(("entries", index), data)
        if entry.timesteps > 1 and _repeats_itself(entry.neuron, entry.encoder):
            yield (
                f"{where}.timesteps: a network that does not spike computes the same at every timestep of a repeated "
                f"image, and would be charged for it; use 1, not {entry.timesteps}"
            )
        if entry.timesteps > 1 and entry.deploy is not None and _repeats_itself(entry.deploy, entry.encoder):
            yield (
                f"{where}.deploy: a network that does not spike computes the same at each of the {entry.timesteps} "
                "timesteps of a repeated image, and would be charged for it; deploy a spiking neuron"
            )
        yield from _encoder_problems(str(entry.dataset.get("name", spec.dataset.name)), entry, where)
        if entry.deploy == entry.neuron:
            yield f"{where}.deploy: is the neuron of the entry itself; leave it out"
        if entry.deploy is not None and entry.deployed_label in [other.label for other in spec.entries]:
            yield f"{where}.deploy: its row would be labelled '{entry.deployed_label}', as another entry is"
        changed = [path for part in OVERRIDABLE for path in _leaves(getattr(entry, part), part)]
        for path in changed:
            if not any(path == word or path.startswith(word + ".") for word in entry.unmatched):
                yield (
                    f"{where}.{path:.60}: entries may differ only in neuron, timesteps and encoder; "
                    f'to break the match on purpose write unmatched = ["{path:.60}"]'
                )
        for word in entry.unmatched:
            if not any(path == word or path.startswith(word + ".") for path in changed):
                yield f"{where}.unmatched: '{word:.60}' is not changed by this entry; {nearest(word, changed)}"
        for part, model in OVERRIDABLE.items():
            try:
                merged(data, entry, part, model)
            except ValidationError as error:
                for item in error.errors():
                    yield explain(item, data, ("entries", index, part))
        for part in ("dataset", "model"):
            if getattr(entry, part):
                keys = list(OVERRIDABLE[part].model_fields)
                yield from _one_plugin(part, _merge(data[part], getattr(entry, part)), f"{where}.{part}", keys)


def _encoder_problems(dataset_name: str, entry: EntrySpec, where: str) -> Iterator[str]:
    """Yield where an entry's encoder does not fit its data set or its timesteps."""
    try:
        dataset, encoder = registry.find("dataset", dataset_name), registry.find("encoder", entry.encoder.name)
    except BenchError:  # a name that does not exist is a problem of its own
        return
    holds, takes = (info.flags.get("events", False) for info in (dataset, encoder))
    if holds != takes:
        words = {True: "event recordings", False: "images"}
        fitting = [
            n for n, info in sorted(registry.plugins("encoder").items()) if info.flags.get("events", False) == holds
        ]
        yield (
            f"{where}.encoder: data set '{dataset_name}' holds {words[holds]}, and encoder '{encoder.name}' takes "
            f"{words[takes]}; use one of {', '.join(fitting)}"
        )
    elif encoder.flags.get("single", False) and entry.timesteps > 1:
        yield f"{where}.timesteps: encoder '{encoder.name}' makes one frame; use 1, not {entry.timesteps}"


def _repeats_itself(neuron_spec: PluginSpec, encoder_spec: PluginSpec) -> bool:
    try:
        neuron, encoder = registry.find("neuron", neuron_spec.name), registry.find("encoder", encoder_spec.name)
    except BenchError:  # a name that does not exist is a problem of its own
        return False
    return not neuron.flags.get("spiking", True) and encoder.flags.get("static", False)


def _leaves(table: Mapping[str, Any], prefix: str) -> Iterator[str]:
    for key, value in table.items():
        if isinstance(value, dict):
            yield from _leaves(value, f"{prefix}.{key}")
        else:
            yield f"{prefix}.{key}"


def _merge(base: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in changes.items():
        old = merged.get(key)
        merged[key] = _merge(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
    return merged


def merged(data: Mapping[str, Any], entry: EntrySpec, part: str, model: type[BaseModel]) -> Any:
    """Return a table of the suite with the overrides of an entry. Raises ValidationError."""
    return model.model_validate(_merge(data[part], getattr(entry, part)))
