"""Whether the entries of a suite are matched: rule by rule, where they differ in more than they may, or declare."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from pydantic import BaseModel, ValidationError

from bench.errors import BenchError, nearest
from bench.plugins import registry
from bench.suite.checks import model_problems, plugin_problems, recipe_problems
from bench.suite.explain import OVERRIDABLE, explain, key_path
from bench.suite.fields import MOST_RUNS, PluginSpec
from bench.suite.overrides import merge
from bench.suite.run_spec import DatasetSpec, on_frames
from bench.suite.spec import EntrySpec, SuiteSpec


@dataclass(frozen=True)
class Case:
    """An entry of a valid suite, to be judged: `data` is the suite as its file says it."""

    spec: SuiteSpec
    data: Mapping[str, Any]
    index: int

    @property
    def entry(self) -> EntrySpec:
        """The entry itself."""
        return self.spec.entries[self.index]

    @property
    def where(self) -> str:
        """Where in the file the entry stands."""
        return key_path(("entries", self.index), self.data)

    @property
    def changed(self) -> list[str]:
        """The dotted names of what the entry overrides."""
        return [path for part in OVERRIDABLE for path in _leaves(getattr(self.entry, part), part)]


def match_problems(spec: SuiteSpec, data: Mapping[str, Any]) -> Iterator[str]:
    """Yield where entries differ in more than they may, or than they declare, and where they are too many."""
    seeds = max(len(spec.seeds), spec.most_seeds or 0)
    runs = len(spec.entries) * seeds
    if runs > MOST_RUNS:
        yield f"entries: {len(spec.entries)} with {seeds} seeds are {runs:,} runs; at most {MOST_RUNS:,}"
    for index in range(len(spec.entries)):
        for rule in RULES:
            yield from rule(Case(spec, data, index))


def no_repeated_work(case: Case) -> Iterator[str]:
    """A network that does not spike has no use for timesteps of a repeated image."""
    entry = case.entry
    if entry.timesteps > 1 and _repeats_itself(entry.neuron, entry.encoder):
        yield (
            f"{case.where}.timesteps: a network that does not spike computes the same at every timestep of a repeated "
            f"image, and would be charged for it; use 1, not {entry.timesteps}"
        )


def no_repeated_work_deployed(case: Case) -> Iterator[str]:
    """Nor has one whose weights are deployed to a neuron that does not spike."""
    entry = case.entry
    if entry.timesteps > 1 and entry.deploy is not None and _repeats_itself(entry.deploy, entry.encoder):
        yield (
            f"{case.where}.deploy: a network that does not spike computes the same at each of the {entry.timesteps} "
            "timesteps of a repeated image, and would be charged for it; deploy a spiking neuron"
        )


def has_time_to_cut(case: Case) -> Iterator[str]:
    """Where nothing passes from one timestep to the next, an entry of its own without that gradient is the same."""
    entry = case.entry
    if entry.train.get("gradient") != "space":
        return
    try:
        spiking = registry.find("neuron", entry.neuron.name).flags.get("spiking", True)
    except BenchError:  # a name that does not exist is a problem of its own
        return
    if entry.timesteps == 1 or not spiking:
        what = "with one timestep" if spiking else f"in '{entry.neuron.name:.60}', which does not spike,"
        yield f"{case.where}.train.gradient: {what} no state passes on in time, and nothing would be cut; leave it out"


def tests_another_sequence(case: Case) -> Iterator[str]:
    """What is tested with its frames in another order, or merged, has several of them and they differ."""
    entry, where = case.entry, f"{case.where}.tested"
    if not entry.tested:
        return
    if len(set(entry.tested)) < len(entry.tested):
        yield f"{where}: a word stands twice in {entry.tested!r:.60}"
    try:
        static = registry.find("encoder", entry.encoder.name).flags.get("static", False)
    except BenchError:  # a name that does not exist is a problem of its own
        return
    if static:
        yield f"{where}: encoder '{entry.encoder.name}' repeats one image, and nothing would change; leave it out"
    elif entry.timesteps == 1:
        yield f"{where}: one frame has no order and is its own mean; leave it out"
    labels = [other.label for other in case.spec.entries]
    labels += [other.deployed_label for other in case.spec.entries if other.deploy is not None]
    for frames in dict.fromkeys(entry.tested):
        if on_frames(entry.label, frames) in labels:
            yield f"{where}: its row would be labelled '{on_frames(entry.label, frames)}', as another entry is"


def encoder_fits(case: Case) -> Iterator[str]:
    """An encoder takes what the data set holds, and makes as many frames as there are timesteps."""
    entry, dataset_name = case.entry, str(case.entry.dataset.get("name", case.spec.dataset.name))
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
            f"{case.where}.encoder: data set '{dataset_name}' holds {words[holds]}, and encoder '{encoder.name}' takes "
            f"{words[takes]}; use one of {', '.join(fitting)}"
        )
    elif encoder.flags.get("single", False) and entry.timesteps > 1:
        yield f"{case.where}.timesteps: encoder '{encoder.name}' makes one frame; use 1, not {entry.timesteps}"


def folds_are_of_images(case: Case) -> Iterator[str]:
    """Test samples are chosen by the seed of images alone: recordings come with their split."""
    name = str(case.entry.dataset.get("name", case.spec.dataset.name))
    if case.spec.dataset.test_split == "fixed" or (case.index and "name" not in case.entry.dataset):
        return
    try:
        events = registry.find("dataset", name).flags.get("events", False)
    except BenchError:  # a name that does not exist is a problem of its own
        return
    if events:
        where = f"{case.where}.dataset" if "name" in case.entry.dataset else "dataset"
        yield f"{where}.test_split: data set '{name:.60}' holds recordings, whose split is fixed; leave it out"


def test_samples_are_the_same(case: Case) -> Iterator[str]:
    """Entries are compared on the same test samples."""
    if "test_split" in case.entry.dataset:
        yield f"{case.where}.dataset.test_split: is the same for every entry; say it in the suite's own [dataset]"


def deploys_another_neuron(case: Case) -> Iterator[str]:
    """To deploy the neuron that was trained would measure the same again."""
    if case.entry.deploy == case.entry.neuron:
        yield f"{case.where}.deploy: is the neuron of the entry itself; leave it out"


def deployed_label_is_free(case: Case) -> Iterator[str]:
    """The row of a deployment has a label that no entry has."""
    entry = case.entry
    if entry.deploy is not None and entry.deployed_label in [other.label for other in case.spec.entries]:
        yield f"{case.where}.deploy: its row would be labelled '{entry.deployed_label}', as another entry is"


def differences_are_declared(case: Case) -> Iterator[str]:
    """What an entry overrides, it says in `unmatched`."""
    for path in case.changed:
        if not any(_covers(word, path) for word in case.entry.unmatched):
            yield (
                f"{case.where}.{path:.60}: entries may differ only in neuron, timesteps and encoder; "
                f'to break the match on purpose write unmatched = ["{path:.60}"]'
            )


def declared_differences_exist(case: Case) -> Iterator[str]:
    """What an entry says in `unmatched`, it overrides."""
    changed = case.changed
    for word in case.entry.unmatched:
        if not any(_covers(word, path) for path in changed):
            yield f"{case.where}.unmatched: '{word:.60}' is not changed by this entry; {nearest(word, changed)}"


def overrides_are_valid(case: Case) -> Iterator[str]:
    """The suite's tables are still valid with the overrides of an entry."""
    for part, model in OVERRIDABLE.items():
        try:
            merged(case.data, case.entry, part, model)
        except ValidationError as error:
            for item in error.errors():
                yield explain(item, case.data, ("entries", case.index, part))


def overridden_plugins_are_valid(case: Case) -> Iterator[str]:
    """So are the parameters of the plug-ins that they name; what is wrong in the suite's own tables is told there."""
    for part, check in _PLUGINS.items():
        if changes := getattr(case.entry, part):
            where = f"{case.where}.{part}"
            shared = set(check(case.data[part], where))
            yield from (found for found in check(merge(case.data[part], changes), where) if found not in shared)


_PLUGINS: Mapping[str, Callable[[Any, str], Iterator[str]]] = {
    "dataset": partial(plugin_problems, DatasetSpec, "dataset"),
    "model": model_problems,
    "train": recipe_problems,
}

RULES: tuple[Callable[[Case], Iterator[str]], ...] = (
    no_repeated_work,
    no_repeated_work_deployed,
    has_time_to_cut,
    tests_another_sequence,
    encoder_fits,
    folds_are_of_images,
    test_samples_are_the_same,
    deploys_another_neuron,
    deployed_label_is_free,
    differences_are_declared,
    declared_differences_exist,
    overrides_are_valid,
    overridden_plugins_are_valid,
)


def merged(data: Mapping[str, Any], entry: EntrySpec, part: str, model: type[BaseModel]) -> Any:
    """Return a table of the suite with the overrides of an entry. Raises ValidationError."""
    return model.model_validate(merge(data[part], getattr(entry, part)))


def _covers(word: str, path: str) -> bool:
    return path == word or path.startswith(word + ".")


def _leaves(table: Mapping[str, Any], prefix: str) -> Iterator[str]:
    for key, value in table.items():
        if isinstance(value, dict):
            yield from _leaves(value, f"{prefix}.{key}")
        else:
            yield f"{prefix}.{key}"


def _repeats_itself(neuron_spec: PluginSpec, encoder_spec: PluginSpec) -> bool:
    try:
        neuron, encoder = registry.find("neuron", neuron_spec.name), registry.find("encoder", encoder_spec.name)
    except BenchError:  # a name that does not exist is a problem of its own
        return False
    return not neuron.flags.get("spiking", True) and encoder.flags.get("static", False)
