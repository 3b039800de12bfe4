"""What is to be executed: runs, settings and data, checked before the first process starts."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.errors import BenchError, DataError, PortableError, SuiteError
from bench.execute.messages import Event, Job, path_to_text
from bench.files.durable import make_folder
from bench.files.lock import Lock
from bench.plugins import registry
from bench.plugins.installed import installed
from bench.plugins.trust import trusted_modules
from bench.store.folder import UNSEEN, Seen
from bench.store.store import State, Store
from bench.suite.load import Suite
from bench.suite.run_spec import PlannedRun, RunSpec
from bench.train.machine.path import ExecutionPath

DOWNLOAD_PATIENCE_S = 6 * 3600.0  # while another command downloads the same data


def plan(
    suites: Sequence[Suite],
    store: Store,
    *,
    labels: Sequence[str] = (),
    seeds: Sequence[int] = (),
    force: bool = False,
    stale: bool = False,
) -> tuple[list[Todo], list[Todo]]:
    """Return (all selected runs, those to execute): what is not done; with `stale` stale ones too, with `force` all.

    Selected is what has one of these labels and one of these seeds; where none are named, any, with the seeds that were
    added to a suite and begun.
    A stale run whose weights today's code would make again is not trained afresh: its checkpoint is measured.
    Where an earlier one of these was interrupted, what it left undone is to do, and what it has done is not done again.
    """
    with store.looking():
        suites = suites if seeds else [store.begun(suite) for suite in suites]
        return _planned(suites, store, labels, seeds, force, stale)


def _planned(
    suites: Sequence[Suite], store: Store, labels: Sequence[str], seeds: Sequence[int], force: bool, stale: bool
) -> tuple[list[Todo], list[Todo]]:
    runs = {(run.suite, run.key): (suite, run) for suite in suites for run in _chosen(suite, labels, seeds)}
    known = {}
    for key, (_, run) in runs.items():
        seen = store.folder(run).seen()  # before the state: what comes after it was not seen
        known[key] = store.state(run), seen
    force = force and not any(store.folder(run).is_begun_afresh for _, run in runs.values())
    selected, todos = [], []
    settled = set() if force else {State.DONE} if stale else {State.DONE, State.STALE}
    for key, (suite, run) in runs.items():
        state, seen = known[key]
        again = force or store.folder(run).to_begin_afresh
        afresh = state is State.DONE or (state is State.STALE and not store.is_trained(run))
        selected.append(Todo(suite, run, state, again or afresh, seen))
        if again or state not in settled:
            todos.append(selected[-1])
    return selected, todos


def _chosen(suite: Suite, labels: Sequence[str], seeds: Sequence[int]) -> list[PlannedRun]:
    named: tuple[Sequence[str | None], Sequence[int | None]] = (labels or [None], seeds or [None])
    chosen = {run.key for label, seed in itertools.product(*named) for run in suite.select(label, seed)}
    return [run for run in suite.longest.runs if run.key in chosen]


def resources(settings: Settings) -> tuple[list[str], int]:
    """Return the devices to use and how many runs to execute at once: `per_gpu` a GPU, or one a core that is ours.

    Raises BenchError for a device that is not there.
    """
    devices = _devices(settings.device)
    if settings.path == "graphed" and devices[0] == "cpu":
        raise BenchError("--path graphed: needs a CUDA device; on a CPU the fastest is --path fused")
    at_once = len(devices) * settings.per_gpu if devices[0] != "cpu" else len(os.sched_getaffinity(0))
    return devices, settings.jobs or at_once


def check_values(suites: Iterable[Suite]) -> None:
    """Construct every plug-in once, so that a wrong value shows before anything is trained.

    Accounting rules too: what is trained is to be reported.

    Raises SuiteError listing the values that a constructor refuses.
    """
    from bench.energy.costs import rule_of
    from bench.energy.table import load_table
    from bench.runs.recipe import refusals

    problems: dict[str, None] = {}
    for suite in {suite.path: suite for suite in suites}.values():
        problems |= dict.fromkeys(_by_entry(suite, lambda run: refusals(run.spec, run.measure.deploy)))
        for index, table in enumerate(suite.spec.energy):
            try:
                found = load_table(table)
                for each in filter(None, (found, found.rest_table)):
                    rule_of(each)
            except BenchError as error:
                problems[f"{suite.path}: energy[{index}]: {error}"] = None
    if problems:
        raise SuiteError(list(problems))


def check_place(runs: Iterable[PlannedRun], settings: Settings) -> None:
    """Raise PortableError where portable runs would be on a GPU, BenchError for a device that is not there."""
    portable = next((run for run in runs if run.spec.train.portable), None)
    if portable is not None and resources(settings)[0] != ["cpu"]:
        raise PortableError(
            f"--device {settings.device}: {portable.suite} asks for portable training, on a CPU; use --device cpu"
        )


def warnings_of(suites: Iterable[Suite]) -> list[str]:
    """Return what is worth a word before training, of suites whose values were checked."""
    from bench.runs.recipe import doubts

    distinct = {suite.path: suite for suite in suites}.values()
    return [line for suite in distinct for line in _by_entry(suite, lambda run: doubts(run.spec))]


def _by_entry(suite: Suite, said_of: Callable[[PlannedRun], Iterable[str]]) -> list[str]:
    """Return what is said of the entries of a suite, each thing once."""
    said: dict[str, list[str]] = {}
    for run in suite.select(seed=suite.spec.seeds[0]):
        for words in said_of(run):
            said.setdefault(words, []).append(run.label)
    return [f"{suite.path}: {_whose(labels, suite)}{words}" for words, labels in said.items()]


def _whose(labels: Sequence[str], suite: Suite) -> str:
    """Say which entries a problem is in, nothing where it is in all of several: then it is of the suite's own."""
    if 1 < len(labels) == len(suite.spec.entries):
        return ""
    named = ", ".join(f"'{label}'" for label in labels)
    return f"{'entry' if len(labels) == 1 else 'entries'} {named}: "


def prepare_data(todos: Sequence[Todo], settings: Settings) -> None:
    """Download or find each data set once, before several processes want it."""
    prepare_data_of((todo.run.spec for todo in todos), settings.data, settings.offline)


def prepare_data_of(specs: Iterable[RunSpec], data: Path, offline: bool) -> None:
    """Find each data set of these runs in the folder `data`, or download it there once unless `offline`."""
    from bench.runs.assembly import distinct_data, make_dataset

    for spec in distinct_data(specs):
        dataset = make_dataset(spec)
        try:
            dataset.prepare(data, offline=True)
        except DataError:
            if offline:
                raise
            try:
                make_folder(data)
            except OSError as error:
                raise DataError(f"{data}: cannot be made: {error.strerror}") from None
            with Lock(data / f".{spec.dataset.name.rpartition(':')[2]}.lock", DOWNLOAD_PATIENCE_S):
                dataset.prepare(data, offline=False)


def _devices(wanted: str) -> list[str]:
    if wanted == "cpu":  # for which nobody has to wait for torch
        return ["cpu"]
    import torch

    available = [f"cuda:{index}" for index in range(torch.cuda.device_count())]
    if wanted == "auto" and not available:
        return ["cpu"]
    if wanted in ("auto", "cuda") and available:
        return available
    if wanted in available:
        return [wanted]
    raise BenchError(f"--device {wanted}: no such device here; known: auto, cpu{''.join(', ' + d for d in available)}")


@dataclass(frozen=True)
class Settings:
    """How the user wants all runs of a command executed; nothing here is an experimental setting.

    Each run gets its own extract of it, a `Job`, with a folder and a device; see there.
    """

    device: str = "auto"  # "auto", "cpu", "cuda" or "cuda:1"
    jobs: int | None = None
    data: Path = Path("data")
    offline: bool = False
    path: ExecutionPath = "auto"
    profile: bool = False
    on: str = "local"  # a plug-in of `execute/engines`, with what it is told behind a colon: "ray:10.0.0.1:6379"
    per_gpu: int = 1  # runs that share a GPU

    @property
    def engine(self) -> str:
        """The name of the engine."""
        return engine_and_place(self.on)[0]

    @property
    def where(self) -> str:
        """What the engine is told of its place: an address, a file; empty where it is told nothing."""
        return engine_and_place(self.on)[1]


def engine_and_place(on: str) -> tuple[str, str]:
    """Split what `--on` says into the engine and what it is told: "slurm:lab.toml". An outside class is all engine."""
    name, _, place = on.partition(":")
    return (name, place) if name in registry.plugins("engine") or name in installed("engine") else (on, "")


@dataclass(frozen=True)
class Todo:
    """A run to execute, with the suite it belongs to and what the store knew about it."""

    suite: Suite
    run: PlannedRun
    state: State
    afresh: bool = False  # train from the start, whatever is there
    seen: Seen = UNSEEN  # the results in its folder when it was planned

    @property
    def key(self) -> str:
        """What names it among all runs of a command, as `Job.key` does."""
        return f"{self.run.suite}/{self.run.key}"

    def job(self, store: Store, settings: Settings) -> Job:
        """Return all that a worker has to know of it. Its data is taken to be there, see `prepare_data`."""
        run = self.run
        return Job(
            suite=run.suite,
            label=run.label,
            seed=run.seed,
            spec=run.spec,
            measure=run.measure,
            folder=str(store.folder(run).path),
            data=path_to_text(settings.data),
            offline=True,
            device=settings.device,
            path=settings.path,
            profile=settings.profile,
            trust=trusted_modules(),
            seen=self.seen,
        )


@dataclass(frozen=True)
class Outcome:
    """How the executed runs ended."""

    done: int = 0
    failed: tuple[str, ...] = ()  # "LABEL seed N: why"
    interrupted: bool = False
    terminated: bool = False  # it was a SIGTERM that interrupted
    saved: int = 0  # runs that are not done and have a checkpoint to go on from
    killed: int = 0  # of the interrupted runs, those that did not end in time and keep an older checkpoint


Observer = Callable[[Todo, Event], None]  # hears all that the runs say
