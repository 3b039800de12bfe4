"""A suite file read, checked and expanded: TOML -> SuiteSpec -> the runs it stands for. No torch."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from bench.energy.table import load_table
from bench.errors import BenchError, SuiteError, nearest
from bench.files.toml_file import read_toml
from bench.plugins.installed import Installed, chosen, installed_files
from bench.plugins.registry import outside_modules
from bench.suite.checks import raw_problems
from bench.suite.explain import OVERRIDABLE, explain
from bench.suite.looks import Looks
from bench.suite.match import match_problems, merged
from bench.suite.run_spec import PlannedRun, RunMeasure, RunSpec
from bench.suite.seeded import seeded
from bench.suite.spec import SuiteSpec

MOST_NAMED = 100  # seeds in a message


@dataclass(frozen=True)
class Suite:
    """A valid suite: what the file says and the runs it stands for, entry by entry and seed by seed."""

    spec: SuiteSpec
    path: Path
    runs: tuple[PlannedRun, ...]
    looks: Looks  # the numbers of seeds at which it is decided whether more are needed

    @classmethod
    def from_data(cls, data: Mapping[str, Any], path: Path | None = None) -> Suite:
        """Return the suite that `data` says, as the TOML file at `path` would; without one, NAME.toml in this folder.

        Raises SuiteError listing every problem with its key path.
        """
        path = path or Path(Path(f"{data.get('name', 'suite')!s:.64}.toml").name)
        return _checked(data, path, path)

    @property
    def name(self) -> str:
        """The suite's name: its folder in `runs/` and `reports/`."""
        return self.spec.name

    @property
    def outside_modules(self) -> set[str]:
        """The modules outside this package that the suite's runs would import."""
        entries = {run.label: run for run in self.runs}.values()  # no seed uses others
        used = {(use.kind, use.name) for run in entries for use in run.plugins}
        return outside_modules(used | rules_of(self.spec.energy))

    @property
    def arguments(self) -> str:
        """What a command line says to run the suite: its path and, where that runs code from outside, --trust."""
        return f"{shlex.quote(str(self.path))}{' --trust' if self.outside_modules else ''}"

    def with_seeds(self, count: int) -> Suite:
        """Return the suite with `count` seeds: after its own the numbers that follow the greatest of them."""
        own = self.spec.seeds
        added = range(max(own) + 1, max(own) + 1 + count - len(own))
        if not added:
            return self
        planned: dict[str, list[PlannedRun]] = {}
        for run in self.runs:
            planned.setdefault(run.label, []).append(run)
        runs = [run for entry in planned.values() for run in (*entry, *seeded(entry[0], added))]
        return replace(self, spec=self.spec.model_copy(update={"seeds": [*own, *added]}), runs=tuple(runs))

    @property
    def longest(self) -> Suite:
        """The suite with as many seeds as may be added."""
        return self.with_seeds(max(len(self.spec.seeds), self.looks.most))

    def select(self, label: str | None = None, seed: int | None = None) -> tuple[PlannedRun, ...]:
        """Return the runs of one entry, one seed, or both. Raises BenchError for a label or seed the suite lacks."""
        labels = [entry.label for entry in self.spec.entries]
        if label is not None and label not in labels:
            raise BenchError(f"{self.path}: no entry '{label}'; {nearest(label, labels)}")
        within = self if seed is None else self.longest
        if seed is not None and seed not in within.spec.seeds:
            raise BenchError(f"{self.path}: no seed {seed}; known: {_shortened(within.spec.seeds)}")
        return tuple(
            run for run in within.runs if (label is None or run.label == label) and (seed is None or run.seed == seed)
        )


def _shortened(seeds: Sequence[int]) -> str:
    more = f", ... {seeds[-1]}" if len(seeds) > MOST_NAMED else ""
    return ", ".join(map(str, seeds[: -1 if more else None][:MOST_NAMED])) + more


def rules_of(tables: Iterable[str]) -> set[tuple[str, str]]:
    """Return the accounting rules that cost tables ask for, by kind and name.

    Raises UnknownNameError or TableError for a table that cannot be used.
    """
    return {("rule", memory.accesses) for name in tables for memory in load_table(name).memories}


def load_suite(path: str | Path) -> Suite:
    """Read, check and expand a suite file, or the suite of that name that another distribution brings.

    Raises SuiteError listing every problem with its key path.
    """
    path = Path(path)
    file = _file_of(path)
    return _checked(_read(file), path, file)


def load_suites(paths: Iterable[str | Path]) -> list[Suite]:
    """Load several suites. Raises SuiteError listing the problems of all of them."""
    suites: list[Suite] = []
    problems: list[str] = []
    for path in paths:
        try:
            suites.append(load_suite(path))
        except SuiteError as error:
            problems += error.problems
    if problems:
        raise SuiteError(problems)
    return suites


def installed_suites() -> dict[str, Installed]:
    """Return the suites that other distributions bring, by name; they are data, and nothing is imported for them.

    One that cannot be used says so.
    """
    return installed_files("suite")


def read_suite(path: str | Path) -> dict[str, Any]:
    """Return what a suite's file says, of the suite that `load_suite` would load. Raises SuiteError."""
    return _read(_file_of(Path(path)))


def _file_of(path: Path) -> Path:
    """Return the file of a suite that is given by its path, or by its name alone where it is installed."""
    if path.suffix or path.name != str(path) or os.path.exists(path):  # False also for what no path can be
        return path
    try:
        found = chosen(installed_suites(), path.name)
    except BenchError as error:
        raise _wrong(path, [str(error)]) from None
    return path if found is None else Path(found.value)


def _read(path: Path) -> dict[str, Any]:
    try:
        data = read_toml(path, "a suite")
    except FileNotFoundError:
        folder = path.parent if path.parent.is_dir() else Path("suites")
        known = [str(other) for other in sorted(folder.glob("*.toml"))]
        raise SuiteError([f"{path}: no such file; {nearest(str(path), known)}"]) from None
    except OSError as error:
        raise SuiteError([f"{path}: cannot be read: {error.strerror}; a suite is a TOML file"]) from None
    except ValueError as error:
        raise SuiteError([f"{path}: {error}"]) from None
    return data


def _checked(data: Mapping[str, Any], path: Path, file: Path) -> Suite:
    """Return the suite that stands in `file`, and that messages call `path`."""
    if not data:
        required = [name for name, field in SuiteSpec.model_fields.items() if field.is_required()]
        raise _wrong(path, [f"is empty; a suite needs {', '.join(required)}"])
    try:
        spec = SuiteSpec.model_validate(data)
    except ValidationError as error:
        raise _wrong(path, [explain(item, data) for item in error.errors()] + raw_problems(data, file)) from None
    problems = raw_problems(data, file) + list(match_problems(spec, data))
    if problems:
        raise _wrong(path, problems)
    runs = tuple(_expand(spec, data))
    twins = list(_twins(runs))
    if twins:
        raise _wrong(path, twins)
    return Suite(spec, path, runs, Looks.up_to(len(spec.seeds), spec.most_seeds))


def _wrong(path: Path, problems: Iterable[str]) -> SuiteError:
    return SuiteError([f"{path}: {problem}" for problem in problems])


def _expand(spec: SuiteSpec, data: Mapping[str, Any]) -> Iterator[PlannedRun]:
    for entry in spec.entries:
        parts = {part: merged(data, entry, part, model) for part, model in OVERRIDABLE.items()}
        run = RunSpec(
            suite_version=spec.version,
            neuron=entry.neuron,
            encoder=entry.encoder,
            timesteps=entry.timesteps,
            seed=spec.seeds[0],
            **parts,
        )
        measure = RunMeasure(**spec.measure.model_dump(), deploy=entry.deploy, tested=sorted(entry.tested))
        yield from seeded(PlannedRun(spec.name, entry.label, spec.seeds[0], run, measure), spec.seeds)


def _twins(runs: Sequence[PlannedRun]) -> Iterator[str]:
    seen: dict[str, str] = {}
    for run in runs:
        first = seen.setdefault(run.key, run.label)
        if first != run.label:
            yield f"entries: '{first}' and '{run.label}' are the same run; remove one of them"
            return
