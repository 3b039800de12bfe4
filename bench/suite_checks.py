"""What is wrong with a suite, in the words of its file: schema errors explained, and what no schema can say."""

from __future__ import annotations

import re
import typing
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from bench import registry
from bench.energy.model import load_table
from bench.errors import BenchError, nearest
from bench.spec import (
    MOST_ENTRIES,
    MOST_RUNS,
    MOST_TABLES,
    DatasetSpec,
    EntrySpec,
    ModelSpec,
    PluginSpec,
    SuiteSpec,
    TrainSpec,
)

_CHARACTERS = {
    "name": "should be lower-case letters, digits and hyphens",
    "label": "should hold no control characters and none of | < > `, and begin with a visible one",
}
OVERRIDABLE: Mapping[str, type[BaseModel]] = {"dataset": DatasetSpec, "model": ModelSpec, "train": TrainSpec}


def explain(item: Any, data: Mapping[str, Any], prefix: Sequence[str | int] = ()) -> str:
    """Say what pydantic found: where in the file, what is wrong, and the nearest known word."""
    location = (*prefix, *item["loc"])
    where, kind = _path(location, data), item["type"]
    if kind == "extra_forbidden":
        return f"{where}: unknown key; {nearest(str(location[-1]), _known_keys(location[:-1]))}"
    if kind == "missing":
        return f"{where}: missing"
    if kind == "literal_error":
        words = re.findall(r"'([^']*)'", str(item["ctx"]["expected"]))
        return f"{where}: '{item['input']!s:.60}' is not a choice; {nearest(str(item['input']), words)}"
    if kind in ("model_type", "dict_type"):
        return f"{where}: should be a table of keys and values, not {item['input']!r:.60}"
    if kind == "string_pattern_mismatch":
        return f"{where}: {_CHARACTERS['name' if where in ('name', 'smaller') else 'label']}, not {item['input']!r:.60}"
    message = str(item["msg"]).removeprefix("Value error, ").replace("Input should", "should", 1)
    if kind == "value_error":
        return f"{where}: {message}"
    return f"{where}: {message}, not {item['input']!r:.60}"


def _path(location: Sequence[str | int], data: Any) -> str:
    text, here = "", data
    for part in location:
        here = here[part] if _holds(here, part) else None
        if isinstance(part, int):
            text += f"[{part}]"
            label = here.get("label") if isinstance(here, dict) else None
            text += f" ({label:.60})" if isinstance(label, str) else ""
        else:
            text += f".{part:.60}" if text else f"{part:.60}"
    return text


def _holds(here: Any, part: str | int) -> bool:
    if isinstance(part, int):
        return isinstance(here, list) and part < len(here)
    return isinstance(here, dict) and part in here


def _known_keys(location: Sequence[str | int]) -> list[str]:
    model: type[BaseModel] | None = SuiteSpec
    if len(location) > 2 and location[0] == "entries" and location[2] in OVERRIDABLE:
        model, location = OVERRIDABLE[str(location[2])], location[3:]
    for part in location:
        if isinstance(part, str):
            field = model.model_fields.get(part) if model else None
            model = next(_models(field.annotation), None) if field else None
    return list(model.model_fields) if model else []


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in typing.get_args(annotation):
        yield from _models(inner)


def _plugin_problems(data: Mapping[str, Any]) -> list[str]:
    """Check names and parameters of plug-ins in the raw data, so that they show beside schema errors."""
    found = []
    for kind, model in (("dataset", DatasetSpec), ("model", ModelSpec)):
        found += _one_plugin(kind, data.get(kind), kind, list(model.model_fields))
    entries = data.get("entries")
    for index, entry in enumerate(entries[:MOST_ENTRIES] if isinstance(entries, list) else []):
        if isinstance(entry, dict):
            for key, kind in (("neuron", "neuron"), ("encoder", "encoder"), ("deploy", "neuron")):
                where = _path(("entries", index, key), data)
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
        where = _path(("entries", index), data)
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
