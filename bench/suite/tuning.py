"""Tuning in a suite: what is searched, what was found, and the suites that trials and the chosen values make."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any

from pydantic import Field, model_validator

from bench.suite.fields import Strict
from bench.suite.overrides import merge

TUNED = ", tuned"  # behind the label of an entry
MOST_LETTERS = 60  # of a label
# Of a suite's own rows and runs alone.
EXTRAS = ("tune", "contrasts", "interactions", "most_seeds", "deviations", "smaller")


class Range(Strict):
    """The values that a setting may take, from `low` to `high`; `log`: equally likely in their logarithm."""

    low: float
    high: float
    log: bool = False

    @model_validator(mode="after")
    def _is_a_range(self) -> Range:
        if self.low >= self.high:
            raise ValueError(f"low should be below high, not {self.low:g} and {self.high:g}")
        if self.log and self.low <= 0:
            raise ValueError(f"low should be above 0 where log = true, not {self.low:g}")
        return self


Setting = Annotated[str, Field(pattern=r"^(train|neuron)(\.[a-z0-9_]+)+$")]


class TuneSpec(Strict):
    """The same budget for every entry: so many trials in the same space, judged on held-out training samples alone.

    space: dotted settings of `train` and `neuron`; one of a neuron is searched where an entry's neuron says it.
    """

    trials: Annotated[int, Field(ge=2, le=1000)]
    held_out: Annotated[float, Field(gt=0.0, le=0.5)] = 0.1  # share of the training samples, stratified by class
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0
    space: Annotated[dict[Setting, Range], Field(min_length=1, max_length=20)]


class TunedSpec(Strict):
    """What tuning found for an entry, kept with its row: a trial's values in the order of `settings`, and its accuracy.

    trials: the first one has the suite's own values; accuracies are of the last epoch on the held-out samples, in
    percent, and 0 where a trial failed. Its row has the values of the best, the first of equal ones.
    """

    of: str  # the entry that was tuned
    settings: Annotated[list[Setting], Field(min_length=1, max_length=20)]
    held_out: Annotated[float, Field(gt=0.0, le=0.5)]
    seed: Annotated[int, Field(ge=0)]
    trials: Annotated[list[list[float]], Field(min_length=1, max_length=1000)]

    @model_validator(mode="after")
    def _is_complete(self) -> TunedSpec:
        if any(len(trial) != len(self.settings) + 1 for trial in self.trials):
            raise ValueError(f"each trial has {len(self.settings)} values and the accuracy")
        return self

    @property
    def accuracies(self) -> list[float]:
        """Held-out accuracy of each trial, percent."""
        return [trial[-1] for trial in self.trials]

    @property
    def best(self) -> list[float]:
        """The trial that was chosen: values, then accuracy."""
        return max(self.trials, key=lambda trial: trial[-1])


Choice = Mapping[str, float]  # values by dotted setting
Raw = Mapping[str, Any]


def own_values(data: Raw, index: int, space: Mapping[str, Range]) -> dict[str, float]:
    """Return the values that an entry of a suite has of what is searched, as its file says them."""
    found = {setting: _said(data, index, setting) for setting in space}
    return {key: float(value) for key, value in found.items() if type(value) in (int, float)}


def _said(data: Raw, index: int, setting: str) -> Any:
    """Return what the file says of a dotted setting for an entry, None where nothing."""
    entry, (part, *path) = data["entries"][index], setting.split(".")
    value = entry[part] if part == "neuron" else merge(data["train"], entry.get("train", {}))
    for key in path:
        value = value.get(key) if isinstance(value, dict) else None
    return value


def tuning_problems(data: Raw, tune: TuneSpec) -> Iterator[str]:
    """Yield why the entries of a suite cannot be tuned as it asks."""
    if data["dataset"].get("test_split", "fixed") != "fixed":
        yield "tune: under test_split = 'folds' every sample tests some seed, and none is left to choose settings by"
    for index, entry in enumerate(data["entries"]):
        if len(entry["label"] + TUNED) > MOST_LETTERS:
            yield f"entries: '{entry['label']}' leaves no room for '{TUNED}'; shorten the label"
        if "validation_fraction" in entry.get("dataset", {}):
            yield f"entries: '{entry['label']}' holds out a share of its own; tune.held_out is the same for every entry"
        own = own_values(data, index, tune.space)
        for setting, ends in tune.space.items():
            if setting not in own:
                if setting.startswith("train."):
                    yield f"tune.space: the suite says no {setting}; write down its own value, the first trial"
            elif isinstance(_said(data, index, setting), int):
                yield f"tune.space: {setting} is a whole number; only numbers with a point, as 2.0, can be searched"
            elif not ends.low <= own[setting] <= ends.high:
                yield (
                    f"tune.space: {setting} of '{entry['label']}' is {own[setting]:g}, outside {ends.low:g} to "
                    f"{ends.high:g}; its own value is the first trial"
                )
        if not own:
            yield f"tune.space: nothing of it is a setting of '{entry['label']}'"


def trial_suite(data: Raw, tune: TuneSpec, choices: Sequence[Choice]) -> dict[str, Any]:
    """Return the suite of one trial of every entry, with part of the training samples held out."""
    suite = _without_extras(data)
    suite |= {"name": f"{data['name']:.57}-trials", "seeds": [tune.seed], "measure": {"samples": 1}}
    suite["dataset"]["validation_fraction"] = tune.held_out
    suite["entries"] = [_chosen(entry, choice) for entry, choice in zip(suite["entries"], choices, strict=True)]
    return suite


def tuned_suite(data: Raw, tune: TuneSpec, trials: Sequence[Sequence[tuple[Choice, float]]]) -> dict[str, Any]:
    """Return the suite that has each entry as it was and as it was tuned; trials: of each entry, values and percent."""
    suite = _without_extras(data)
    entries = []
    for entry, found in zip(suite["entries"], trials, strict=True):
        settings = list(found[0][0])
        rows = [[*(choice[setting] for setting in settings), accuracy] for choice, accuracy in found]
        spec = TunedSpec(of=entry["label"], settings=settings, held_out=tune.held_out, seed=tune.seed, trials=rows)
        best = dict(zip(settings, spec.best, strict=False))
        entries += [entry]
        if best != dict(found[0][0]):
            entries += [{**_chosen(entry, best), "label": entry["label"] + TUNED}]
        entries[-1]["tuned"] = spec.model_dump(mode="json")
    rows_of = {entry["tuned"]["of"]: entry["label"] for entry in entries if "tuned" in entry}
    contrasts = [pair for pair in data.get("contrasts", []) if set(pair) <= set(rows_of)]
    interactions = [pairs for pairs in data.get("interactions", []) if {*pairs[0], *pairs[1]} <= set(rows_of)]
    return suite | {
        "name": f"{data['name']:.58}-tuned",
        "title": f"{data['title']:.110}, tuned",
        "baseline": rows_of[data["baseline"]],
        "contrasts": [[rows_of[label] for label in pair] for pair in contrasts],
        "interactions": [[[rows_of[label] for label in pair] for pair in pairs] for pairs in interactions],
        "entries": entries,
    }


def _without_extras(data: Raw) -> dict[str, Any]:
    suite = copy.deepcopy({key: value for key, value in data.items() if key not in EXTRAS})
    for entry in suite["entries"]:
        for key in ("deploy", "expect"):
            entry.pop(key, None)
    return suite


def _chosen(entry: Raw, choice: Choice) -> dict[str, Any]:
    """Return an entry with these values, and that they differ declared."""
    chosen = copy.deepcopy(dict(entry))
    for setting, value in choice.items():
        part, *path, last = setting.split(".")
        place = chosen.setdefault(part, {})
        for key in path:
            place = place.setdefault(key, {})
        place[last] = value
        if part != "neuron":
            declared = chosen.setdefault("unmatched", [])
            if not any(setting == word or setting.startswith(f"{word}.") for word in declared):
                declared.append(setting)
    return chosen
