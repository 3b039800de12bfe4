"""What may keep this machine from running suites: versions, device, disk, store, locks, data; each with its cure."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import shutil
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from packaging.requirements import Requirement

from bench.errors import BenchError, RecordError
from bench.files.durable import atomic_write
from bench.store.folder import RunFolder
from bench.store.store import State, Store
from bench.suite.load import Suite
from bench.upkeep.leftovers import Leftover, leftovers

LITTLE_BYTES, HARDLY_BYTES = 2e9, 200e6  # of free space, for checkpoints and frames
_PROBE = ".spikebench-doctor"


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at. "warning": it may cost something; "wrong": something will fail."""

    what: str
    state: Literal["ok", "warning", "wrong"]
    words: str


def examine(suites: Sequence[Suite], store: Store, reports: Path, data: Path) -> Iterator[Finding]:
    """Look at everything that running these suites needs; nothing is downloaded, changed or removed."""
    yield from _versions()
    yield _device()
    yield from _disk({"runs": store.root, "reports": reports, "data": data})
    yield from _store(suites, store, reports)
    yield from _locks(store.root)
    yield from _leftovers(leftovers(store.root, reports, data))
    yield from _data(suites, data)


def _versions() -> Iterator[Finding]:
    words = [f"Python {platform.python_version()}"]
    for line in importlib.metadata.requires("spikebench") or []:
        wanted = Requirement(line)
        if wanted.marker is not None and not wanted.marker.evaluate({"extra": ""}):
            continue
        try:
            version = importlib.metadata.version(wanted.name)
        except importlib.metadata.PackageNotFoundError:
            yield Finding(
                "versions", "wrong", f"{wanted.name} is not installed; install it with: pip install '{wanted}'"
            )
            continue
        if not wanted.specifier.contains(version, prereleases=True):
            yield Finding("versions", "wrong", f"{wanted.name} {version} is too old; pip install '{wanted}'")
        words.append(f"{wanted.name} {version}")
    try:
        import torchvision  # noqa: F401
    except (ImportError, RuntimeError) as error:  # one built for another torch
        yield Finding("versions", "wrong", f"torchvision cannot be imported: {error}; install the one for this torch")
    yield Finding("versions", "ok", ", ".join(words))


def _device() -> Finding:
    import torch

    if not torch.cuda.is_available():
        return Finding("device", "ok", f"cpu, {torch.get_num_threads()} threads; no CUDA device")
    names = [
        f"cuda:{index} {torch.cuda.get_device_name(index)} with {free / 1e9:.0f} of {whole / 1e9:.0f} GB free"
        for index in range(torch.cuda.device_count())
        for free, whole in [torch.cuda.mem_get_info(index)]
    ]
    return Finding("device", "ok", ", ".join(names))


def _disk(folders: dict[str, Path]) -> Iterator[Finding]:
    for what, folder in folders.items():
        there = next(place for place in [folder.absolute(), *folder.absolute().parents] if os.path.exists(place))
        free = shutil.disk_usage(there).free
        words = f"{folder}: {free / 1e9:.1f} GB free"
        if free < LITTLE_BYTES:
            state: Literal["warning", "wrong"] = "wrong" if free < HARDLY_BYTES else "warning"
            yield Finding(what, state, f"{words}; make room, checkpoints and frames need it")
            continue
        probe = there / _PROBE
        try:
            atomic_write(probe, "")
            probe.unlink(missing_ok=True)
        except (BenchError, OSError) as error:
            failing: Literal["warning", "wrong"] = "warning" if what == "data" else "wrong"  # data may only be read
            yield Finding(what, failing, f"{error}; give yourself leave to write there")
        else:
            yield Finding(what, "ok", words if folder.exists() else f"{words}; does not exist yet")


def _store(suites: Sequence[Suite], store: Store, reports: Path) -> Iterator[Finding]:
    for suite in suites:
        states: Counter[str] = Counter()
        try:
            store.check_report(suite, reports)
            standing = store.standing(suite, reports)
        except RecordError as error:
            yield Finding("store", "wrong", str(error))
            continue
        for run, state in standing:
            states[state] += 1
            if state is State.UNREADABLE:
                yield Finding("store", "wrong", store.remark(run))
            if state is State.CORRUPT:
                yield Finding("store", "wrong", f"{store.remark(run)}; `spikebench run` sets it aside and goes on")
        words = ", ".join(f"{count} {state}" for state, count in sorted(states.items()))
        yield Finding("store", "ok", f"{suite.path}: {words}")


def _locks(runs: Path) -> Iterator[Finding]:
    for path in sorted(runs.glob("*/*/lock")):
        holder = RunFolder(path.parent).executed_by()
        if holder is not None:
            yield Finding("locks", "ok", f"{path.parent}: executed by {holder.words}")


def _leftovers(found: Sequence[Leftover]) -> Iterator[Finding]:
    for why, count in Counter(leftover.why for leftover in found).items():
        size = sum(leftover.size_bytes for leftover in found if leftover.why == why)
        words = f"{count} times {why}, {size / 1e6:.1f} MB; harmless, `spikebench clean` lists them"
        yield Finding("leftovers", "warning", words)


def _data(suites: Sequence[Suite], data: Path) -> Iterator[Finding]:
    from bench.runs.assembly import distinct_data, make_dataset

    told: set[Finding] = set()
    for spec in distinct_data(run.spec for suite in suites for run in suite.runs):
        try:
            make_dataset(spec).prepare(data, offline=True)
        except BenchError as error:
            finding = Finding("data", "warning", f"{spec.dataset.name}: {error}")
        else:
            finding = Finding("data", "ok", f"{spec.dataset.name}: there")
        if finding not in told:
            told.add(finding)
            yield finding
