"""What is left over in the folders of runs, reports and frames: found and named first, then removed. No torch."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from bench.errors import BenchError, BusyError, StoreError
from bench.files.lock import Lock, holder_of, is_stale, now_there
from bench.store.folder import RunFolder
from bench.suite.load import Suite

YOUNG_S = 60.0  # a file that is being written may look left over
SUBMITTED = ".slurm"  # beside the runs of a suite: what a cluster was handed
_FRAMES = "spikebench-frames"


@dataclass(frozen=True)
class Leftover:
    """A file or folder that nothing needs any more, and why."""

    path: Path
    why: str
    size_bytes: int
    guard: Path | None = None  # the lock to hold while it is removed
    still: Callable[[], bool] = field(default=lambda: True, compare=False)  # whether it is left over when that is held


def leftovers(
    runs: Path,
    reports: Path,
    data: Path,
    suites: Sequence[Suite] = (),
    *,
    checkpoints: bool = False,
    unplanned: bool = False,
) -> list[Leftover]:
    """Return what may be removed, of these suites or of all; what a living process works on is left out.

    checkpoints: also those of finished runs, without which measuring otherwise trains again.  unplanned: also the runs
    that the suites, which must be named, no longer ask for. Raises BenchError where they are not named.
    """
    if unplanned and not suites:
        raise BenchError(
            "--unplanned: name the suites whose other runs are to go, as in: spikebench clean suites/x.toml"
        )
    names = {suite.name for suite in suites}
    planned = {(suite.name, run.key) for suite in suites for run in suite.longest.runs}
    found: list[Leftover] = []
    for folder in _folders(runs, names, 2):
        run = RunFolder(folder)
        if run.executed_by() is not None:
            continue
        if unplanned and (folder.parent.name, folder.name) not in planned:
            guard = None if folder.is_symlink() else run.lock_file  # behind a link lies what is not ours
            found.append(_leftover(folder, "a run that its suite no longer asks for", guard))
            continue
        for path, why in _of_a_run(run, checkpoints):
            still = partial(_is_still, run, checkpoints, path)
            found.append(_leftover(path, why, run.lock_file, still))
    for folder in _folders(reports, names, 1):
        for path in [*folder.glob(".lock"), *folder.glob("*.part"), *folder.glob("*/*.part")]:
            if reason := _dead(path):
                found.append(_leftover(path, reason, folder / ".lock"))
    if not names:
        found += [_leftover(path, "frames that were never finished") for path in _frames(data / _FRAMES)]
    return sorted(found, key=lambda leftover: leftover.path)


def remove(found: Sequence[Leftover]) -> list[Leftover]:
    """Remove what `leftovers` found and return it, without what is needed again by now: a process works there.

    Raises StoreError, naming the file, where something cannot be removed.
    """
    removed = []
    for leftover in found:
        path = leftover.path
        try:
            if leftover.guard is None:
                _delete(path)
                removed.append(leftover)
                continue
            with Lock(leftover.guard):  # a stale one is taken over, and gone when it is given back
                if leftover.still():
                    if path != leftover.guard:
                        _delete(path)
                    removed.append(leftover)
        except BusyError:
            continue
        except OSError as error:
            raise StoreError(f"{path}: cannot be removed: {error.strerror or error}") from None
    return removed


def _delete(path: Path) -> None:
    if path.is_symlink() or not path.is_dir():
        path.unlink(missing_ok=True)
        return
    grave = path.with_name(f"{path.name}.removed")  # in one step: nobody begins in half a folder
    os.rename(path, grave)
    shutil.rmtree(grave)


def _folders(root: Path, names: set[str], depth: int) -> Iterator[Path]:
    for folder in sorted(root.glob("/".join("*" * depth))):
        if folder.is_dir() and folder.name != SUBMITTED and (not names or folder.relative_to(root).parts[0] in names):
            yield folder


def _of_a_run(run: RunFolder, checkpoints: bool) -> Iterator[tuple[Path, str]]:
    for path in [run.lock_file, *run.path.glob("*.part")]:
        if why := _dead(path):
            yield path, why
    for path in run.path.glob("*.corrupt-*"):
        yield path, "a damaged file that was set aside"
    try:
        finished = run.check() is not None
    except BenchError:
        return
    if finished and run.previous_record.exists():
        yield run.previous_record, "a record that a newer one has replaced"
    if finished and checkpoints:
        for path in (run.checkpoint, run.older_checkpoint):
            if path.exists():
                yield path, "a checkpoint of a finished run"


def _is_still(run: RunFolder, checkpoints: bool, path: Path) -> bool:
    """Whether a file is left over still, now that the run's lock is ours; the lock itself is what we took over."""
    return path == run.lock_file or path in [found for found, _ in _of_a_run(run, checkpoints)]


def _dead(path: Path) -> str | None:
    """Say what a lock or an unfinished write is, if whoever made it is gone; None where that is not sure."""
    with contextlib.suppress(OSError):
        if not path.name.endswith(".part"):
            return "a lock of a process that is gone" if is_stale(path, holder_of(path)) else None
        return "a write that never ended" if now_there(path.parent) - path.stat().st_mtime > YOUNG_S else None
    return None


def _frames(folder: Path) -> Iterator[Path]:
    for path in folder.glob("*.part"):
        try:
            with path.with_suffix(".lock").open("ab") as handle:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                yield path
        except OSError:  # somebody is framing, or may
            continue


def _leftover(path: Path, why: str, guard: Path | None = None, still: Callable[[], bool] = lambda: True) -> Leftover:
    files = [file for file in path.rglob("*") if file.is_file()] if path.is_dir() else [path]
    size = 0
    for file in files:
        with contextlib.suppress(OSError):
            size += file.stat().st_size
    return Leftover(path, why, size, guard, still)
