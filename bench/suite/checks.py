"""What is wrong with the raw data of a suite that no schema can say: plug-ins, labels, lists."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from bench.energy.table import load_table
from bench.errors import BenchError, nearest
from bench.plugins import registry
from bench.suite.explain import key_path
from bench.suite.fields import MOST_ENTRIES, MOST_TABLES, PluginSpec
from bench.suite.looks import FEWEST_SEEDS
from bench.suite.recipe import LossSpec, OptimizerSpec, RecipePart, ScheduleSpec
from bench.suite.run_spec import DatasetSpec, ModelSpec, on_frames

MOST_SEED = 2**32


def raw_problems(data: Mapping[str, Any], path: Path) -> list[str]:
    """Check what the schema alone cannot say, in the raw data, so that it shows beside schema errors."""
    return [*_all_plugin_problems(data), *_label_problems(data), *_list_problems(data, path), *_seed_problems(data)]


def _all_plugin_problems(data: Mapping[str, Any]) -> Iterator[str]:
    yield from plugin_problems(DatasetSpec, "dataset", data.get("dataset"), "dataset")
    yield from model_problems(data.get("model"), "model")
    yield from recipe_problems(data.get("train"), "train")
    entries = data.get("entries")
    for index, entry in enumerate(entries[:MOST_ENTRIES] if isinstance(entries, list) else []):
        if isinstance(entry, dict):
            for key, kind in (("neuron", "neuron"), ("encoder", "encoder"), ("deploy", "neuron")):
                yield from plugin_problems(PluginSpec, kind, entry.get(key), key_path(("entries", index, key), data))


def model_problems(model: Any, where: str) -> Iterator[str]:
    """Yield what is wrong with the plug-ins of a `model` table: the network, and its synapse."""
    yield from plugin_problems(ModelSpec, "model", model, where)
    synapse = model.get("synapse") if isinstance(model, dict) else None
    yield from plugin_problems(PluginSpec, "synapse", synapse, f"{where}.synapse")


def recipe_problems(train: Any, where: str) -> Iterator[str]:
    """Yield what is wrong with the parameters of the recipe's plug-ins in a `train` table."""
    for model in (OptimizerSpec, ScheduleSpec, LossSpec):
        table = train.get(model.kind) if isinstance(train, dict) else None
        yield from plugin_problems(model, model.kind, table, f"{where}.{model.kind}")


def plugin_problems(model: type[PluginSpec], kind: str, table: Any, where: str) -> Iterator[str]:
    """Yield what is wrong with a plug-in's name and with the parameters that `model`, its schema, does not declare."""
    if not isinstance(table, dict) or not isinstance(table.get("name"), str):
        return
    try:
        info = registry.find(kind, table["name"])
    except BenchError as error:
        if not issubclass(model, RecipePart):  # whose schema looks for the name
            yield f"{where}.name: {error}"
        return
    declared = list(model.model_fields)
    known = [*declared, *(parameter.name for parameter in info.parameters if parameter.name not in declared)]
    wrong = info.problems({key: value for key, value in table.items() if key not in declared})
    for key in filter(lambda key: key not in declared, wrong):
        unknown = f"{key:.60}: unknown key; {nearest(key, known)}"
        yield f"{where}.{f'{key}: {wrong[key]}' if key in known else unknown}"


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
    yield from _contrast_problems(data, labels)
    yield from _interaction_problems(data, labels)


def _contrast_problems(data: Mapping[str, Any], labels: list[str]) -> Iterator[str]:
    contrasts, rows = data.get("contrasts"), [*labels, *_deployed_labels(data)]
    seen: list[list[str]] = []
    for index, pair in enumerate(contrasts[:MOST_ENTRIES] if isinstance(contrasts, list) else []):
        names = sorted(_names(pair))
        if len(names) != 2:
            continue  # the type of it is wrong, which is said elsewhere
        for name in names:
            if labels and name not in rows:
                yield f"contrasts[{index}]: no entry '{name:.60}'; {nearest(name, rows)}"
        if names[0] == names[1]:
            yield f"contrasts[{index}]: '{names[0]:.60}' is compared with itself"
        elif data.get("baseline") in names:
            yield f"contrasts[{index}]: every entry is compared with the baseline anyway; leave the pair out"
        elif names in seen:
            yield f"contrasts[{index}]: these two are compared twice"
        seen.append(names)


def _interaction_problems(data: Mapping[str, Any], labels: list[str]) -> Iterator[str]:
    interactions, rows = data.get("interactions"), [*labels, *_deployed_labels(data)]
    seen: list[object] = []
    for index, pairs in enumerate(interactions[:MOST_ENTRIES] if isinstance(interactions, list) else []):
        where, named = f"interactions[{index}]", [_names(pair) for pair in pairs] if isinstance(pairs, list) else []
        if [len(names) for names in named] != [2, 2]:
            continue  # the type of it is wrong, which is said elsewhere
        (one, less), (other, more) = named
        for name in dict.fromkeys((one, less, other, more)):
            if labels and name not in rows:
                yield f"{where}: no entry '{name:.60}'; {nearest(name, rows)}"
        added, taken = sorted((one, more)), sorted((less, other))
        if shared := set(added) & set(taken):
            yield f"{where}: '{min(shared):.60}' is added and taken away, which leaves a contrast or nothing"
        elif one == more and less == other:
            yield f"{where}: this is '{one:.60}' minus '{less:.60}' twice; name the pair in `contrasts`"
        elif (same := sorted((added, taken))) in seen:
            yield f"{where}: this difference is looked at twice"
        else:
            seen.append(same)


def _names(pair: Any) -> list[str]:
    return [name for name in pair if isinstance(name, str)] if isinstance(pair, list) else []


def _deployed_labels(data: Mapping[str, Any]) -> Iterator[str]:
    """Yield the labels of the rows that entries get for a neuron that they deploy, or for what they are tested on."""
    entries = data.get("entries")
    for entry in entries[:MOST_ENTRIES] if isinstance(entries, list) else []:
        deploy = entry.get("deploy") if isinstance(entry, dict) else None
        if isinstance(deploy, dict):
            yield f"{entry.get('label')} as {deploy.get('name')}"
        tested = entry.get("tested") if isinstance(entry, dict) else None
        for frames in tested if isinstance(tested, list) else ():
            yield on_frames(str(entry.get("label")), str(frames))


def _list_problems(data: Mapping[str, Any], path: Path) -> Iterator[str]:
    for key, what in (("seeds", "seed"), ("energy", "table")):
        values = data.get(key)
        plain = [value for value in values if isinstance(value, int | str)] if isinstance(values, list) else []
        if len(set(plain)) < len(plain):
            yield f"{key}: a {what} stands twice in {values!r:.60}"
    tables, labels = data.get("energy"), dict[str, str]()
    for index, name in enumerate(tables[:MOST_TABLES] if isinstance(tables, list) else []):
        try:
            if isinstance(name, str) and (other := labels.setdefault(load_table(name).label, name)) != name:
                yield f"energy[{index}]: '{name:.60}' is '{other:.60}', which stands there already"
        except BenchError as error:
            yield f"energy[{index}]: {error}"
    smaller = data.get("smaller")
    beside = sorted(other.stem for other in path.parent.glob("*.toml") if other.is_file())
    if isinstance(smaller, str) and smaller not in beside:
        yield f"smaller: no suite '{smaller:.60}' beside this one; {nearest(smaller, beside)}"


def _seed_problems(data: Mapping[str, Any]) -> Iterator[str]:
    seeds, most = data.get("seeds"), data.get("most_seeds")
    if not isinstance(seeds, list) or not all(type(seed) is int for seed in seeds) or type(most) is not int:
        return  # what is wrong with their types is said elsewhere
    if most <= len(seeds):
        yield f"most_seeds: {most} are no more than the {len(seeds)} of `seeds`; say how many there may be in all"
    if len(seeds) < FEWEST_SEEDS:
        yield f"most_seeds: nothing is decided with fewer than {FEWEST_SEEDS} seeds; begin with so many `seeds`"
    if seeds and max(seeds) + most - len(seeds) >= MOST_SEED:
        yield f"most_seeds: added seeds follow the greatest of `seeds`, {max(seeds)}, and have to stay below 2**32"
