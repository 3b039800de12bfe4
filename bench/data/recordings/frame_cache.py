"""Frames on disk: made once, recording by recording, then mapped into memory; whole or not there at all."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import logging
import os
import time
import zlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from bench.data.recordings.framing import Framing
from bench.errors import DataError
from bench.files.canonical import canonical_json

FOLDER = "spikebench-frames"
VARIABLE = "SPIKEBENCH_FRAMES"  # another folder, where that of the data cannot be written
VERSION = 1  # raised when frames of the same recordings come out otherwise
TELL_EVERY_S = 10.0

_log = logging.getLogger(__name__)
Width = Literal["uint8", "int16", "int32"]
_WIDER: dict[Width, Width] = {"uint8": "int16", "int16": "int32"}


class _TooHighError(Exception):
    """A pixel met more events in a slice than the numbers of the file hold."""


def frames_folder(data: Path) -> Path:
    """Return where frames of the recordings in `data` are kept: in it, or where SPIKEBENCH_FRAMES says."""
    return Path(os.environ.get(VARIABLE) or data / FOLDER)


def cache_key(framing: Framing, files: Sequence[tuple[str, int, int]], what: str) -> str:
    """Return 16 hex digits over the framing and the recordings: name, bytes and time of change of each file."""
    content = {"version": VERSION, "framing": framing.to_json(), "files": list(files), "what": what}
    return hashlib.sha256(canonical_json(content).encode("utf-8", "surrogateescape")).hexdigest()[:16]


def cached_frames(
    folder: Path, name: str, framing: Framing, samples: int, recording: Callable[[int], NDArray[np.int64]]
) -> NDArray[Any]:
    """Return the frames [N, T, P, H, W] mapped from `folder`/`name`.npy, made first where that is missing or damaged.

    recording: the frames [T, P, H, W] of one recording; asked for in order, and again from the first where a pixel met
    too many events for the width tried. One recording is in memory at a time. Of several processes that want the same
    file one makes it and the others wait. Raises DataError when the folder cannot be written.
    """
    path = folder / f"{name}.npy"
    shape = (samples, *framing.shape)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with _only_one(folder / f"{name}.lock"):
            frames = _mapped(path, shape)
            if frames is None:
                _log.info("framing %s recordings into %s", f"{samples:,}", path)
                _make(path, shape, recording)
                frames = _mapped(path, shape)
    except OSError as error:
        raise DataError(
            f"{path}: frames cannot be kept there ({error.strerror or error}); make room or give yourself leave to "
            f"write, or name another folder for frames with {VARIABLE}"
        ) from error
    if frames is None:
        raise DataError(f"{path}: was written and cannot be read back; is the disk sound?")
    return frames


def _mapped(path: Path, shape: tuple[int, ...]) -> NDArray[Any] | None:
    """Map a whole file of that shape; None where there is none, or it was cut short or changed."""
    try:
        array: NDArray[Any] = np.load(path, mmap_mode="c", allow_pickle=False)  # writing to it would change a copy
        said = path.with_suffix(".sum").read_text("ascii").split()
    except (FileNotFoundError, ValueError, EOFError):
        return None
    whole = array.shape == shape and said == [str(path.stat().st_size), _checksum(path)]
    return array if whole else None


def _make(path: Path, shape: tuple[int, ...], recording: Callable[[int], NDArray[np.int64]]) -> None:
    part = path.with_suffix(".part")  # a name is enough: whoever is here holds the lock
    width: Width | None = "uint8"
    try:
        while width is not None:
            try:
                _write(part, shape, width, recording)
            except _TooHighError:
                width = _WIDER.get(width)
                continue
            path.with_suffix(".sum").write_text(f"{part.stat().st_size} {_checksum(part)}\n", "ascii")
            os.replace(part, path)
            return
    finally:
        part.unlink(missing_ok=True)


def _write(path: Path, shape: tuple[int, ...], width: Width, recording: Callable[[int], NDArray[np.int64]]) -> None:
    """Write all frames, one recording in memory at a time."""
    highest = np.iinfo(width).max
    told = time.monotonic()
    with path.open("wb") as handle:
        header = {"descr": np.lib.format.dtype_to_descr(np.dtype(width)), "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(handle, header)
        for index in range(shape[0]):
            frames = recording(index)
            if frames.max(initial=0) > highest:
                raise _TooHighError
            handle.write(frames.astype(width).tobytes())
            if time.monotonic() - told > TELL_EVERY_S:
                told = time.monotonic()
                _log.info("framing %s: %s of %s recordings", path.stem, f"{index + 1:,}", f"{shape[0]:,}")
        handle.flush()
        os.fsync(handle.fileno())


def _checksum(path: Path) -> str:
    total = 0
    with path.open("rb") as handle:
        while block := handle.read(1 << 22):
            total = zlib.crc32(block, total)
    return f"{total:08x}"


@contextlib.contextmanager
def _only_one(path: Path) -> Iterator[None]:
    with path.open("wb") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
