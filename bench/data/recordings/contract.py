"""The contract of event data sets: tonic reads and downloads; splits, framing and what is complete are decided here."""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import os
import tarfile
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from bench.data.base import Arrays, Dataset, Split, check_labels
from bench.data.recordings.frame_cache import cache_key, cached_frames, frames_folder
from bench.data.recordings.framing import Framing, frame
from bench.errors import DataError
from bench.records.source import DataSource

# What tonic and the readers below it raise for files that are not what they should be, and downloads that fail.
DAMAGE = (
    *(OSError, RuntimeError, ValueError, TypeError, LookupError, EOFError, AssertionError, zlib.error),
    *(FloatingPointError, MemoryError),  # a time that is not a number, a length that cannot be true
)
_DOWNLOAD = (*DAMAGE, http.client.HTTPException, tarfile.TarError, zipfile.BadZipFile)


@dataclass(frozen=True)
class Recordings:
    """Some recordings of a tonic data set, in an order that does not depend on the file system."""

    source: Any
    indices: Sequence[int]

    def __len__(self) -> int:
        return len(self.indices)

    def events(self, position: int) -> NDArray[Any]:
        """Return the events of one recording, in the order of time."""
        events = np.ravel(self.source[self.indices[position]][0])
        sorted_already = bool((np.diff(events["t"].astype(np.int64)) >= 0).all())
        return events if sorted_already else np.sort(events, order="t", kind="stable")


class EventDataset(Dataset):
    """Recordings of events through a class of tonic, in frames [N, T, P, H, W].

    A subclass says where the files are and how many there should be. Its hooks are for what tonic's classes do each in
    their own way: `splits`, `labels`, `file_of` and `check_file`.
    """

    source: ClassVar[Any]  # class of tonic.datasets
    page: ClassVar[str]  # where the recordings come from
    folder: ClassVar[str]  # below the data folder, as tonic names it
    parts: ClassVar[Sequence[str]]  # of the folder: one for each count of `expected`
    kind: ClassVar[str] = ".bin"  # how a recording's file name ends
    sensor: ClassVar[tuple[int, int, int]]  # width, height, polarities
    event_bytes: ClassVar[int] = 1  # of an event, where a file is nothing but events
    damage: ClassVar[tuple[type[Exception], ...]] = ()  # what its reader raises beside the usual
    events = True
    partial: bool
    framing: Framing

    def frame_as(
        self,
        *,
        timesteps: int,
        slices: Literal["count", "time"],
        size: tuple[int, int],
        binary: bool,
        partial: bool,
    ) -> None:
        """Take over the parameters of a constructor; size is height and width of the frames."""
        self.image_size, self.in_channels, self.partial = size, self.sensor[2], partial
        self.framing = Framing(timesteps, slices, self.sensor, size, binary)
        self.mean, self.std = (0.0,) * self.in_channels, (1.0,) * self.in_channels  # counts stay counts
        self.input_kind = "binary" if binary else "graded"

    @property
    def sample_shape(self) -> tuple[int, ...]:
        """Shape of a sample: [T, P, H, W]."""
        return self.framing.shape

    def expected(self) -> tuple[int, ...]:
        """Return how many recordings the parts hold when they are complete."""
        return (self.train_samples, self.test_samples)

    def count(self, root: Path) -> tuple[int, ...]:
        """Return how many recordings each part holds under `root`."""
        return tuple(sum(1 for _ in (root / self.folder / part).rglob(f"*{self.kind}")) for part in self.parts)

    def splits(self, source: Any, root: Path) -> dict[str, Recordings]:
        """Open tonic's data sets: recordings by split, "train" and "test", and "validation" where there is one."""
        return {name: self.in_order(source(str(root), train=name == "train")) for name in ("train", "test")}

    def in_order(self, opened: Any) -> Recordings:
        """Return all recordings of one of tonic's data sets, in the order of their files."""
        return Recordings(opened, sorted(range(len(opened)), key=lambda index: str(self.file_of(opened, index))))

    def labels(self, opened: Any) -> Sequence[int]:
        """Return the class of every recording of one of tonic's data sets."""
        return [int(target) for target in opened.targets]

    def file_of(self, opened: Any, index: int) -> Path:
        """Return the file that holds a recording."""
        return Path(opened.data[index])

    def check_file(self, path: Path) -> None:
        """Raise ValueError, or what a reader would raise, where tonic would read a damaged file without a word."""
        size = path.stat().st_size
        if size % self.event_bytes:
            raise ValueError(f"its {size:,} bytes are no whole number of {self.event_bytes}-byte events")

    def prepare(self, root: Path, *, offline: bool) -> None:
        """Find the recordings, or let tonic download them unless `offline`, and frame them where that is to be done.

        Raises DataError, naming the folder or the file, where they are missing, incomplete or damaged.
        """
        self._find(root.absolute(), offline)
        self._frames(root.absolute())

    def load(self, root: Path, *, offline: bool) -> Arrays:
        """Return the frames of all splits, mapped from the cache. Raises DataError as `prepare` does."""
        root = root.absolute()
        self._find(root, offline)
        splits = self._frames(root)
        mean, std = (torch.tensor(value, dtype=torch.float32, device="cpu") for value in (self.mean, self.std))
        return Arrays(
            splits["train"],
            splits["test"],
            splits.get("validation"),
            self.classes,
            mean,
            std,
            self.input_kind,
            DataSource(
                recordings={name: len(split) for name, split in splits.items()},
                complete=sum(self.expected()),
                files=_digest(self._files(root), root),
            ),
        )

    def _find(self, root: Path, offline: bool) -> None:
        if self._usable(root):
            return
        if offline:
            raise DataError(f"{self._lacking(root)}; run without --offline to download it (from {self.page})")
        try:
            self.splits(self.source, root)
        except self._raised(_DOWNLOAD) as error:
            raise DataError(
                f"{self._lacking(root)}; the download failed ({_words(error)}); put the unpacked recordings there "
                f"(from {self.page}), or name the folder that holds {self.folder} with --data or SPIKEBENCH_DATA"
            ) from error
        if not self._usable(root):
            raise DataError(f"{self._lacking(root)}; what was downloaded is not what was expected")

    def _usable(self, root: Path) -> bool:
        found, expected = self.count(root), self.expected()
        if self.partial:
            return all(0 < some <= every for some, every in zip(found, expected, strict=True))
        return found == expected

    def _lacking(self, root: Path) -> str:
        where, found = root / self.folder, self.count(root)
        if not any(found):
            return f"{self.name}: not found: {where}"
        parts = ", ".join(
            f"{part or 'it'} holds {count:,} of {expected:,} recordings"
            for part, count, expected in zip(self.parts, found, self.expected(), strict=True)
        )
        more = "" if self.partial else ' (or say "partial = true" in the suite to use what is there)'
        return f"{self.name}: {where} is not the complete data set: {parts}{more}"

    def _frames(self, root: Path) -> dict[str, Split]:
        with self._naming(str(root / self.folder)):
            for path in self._files(root):
                with self._naming(str(path)):
                    if not path.is_file():
                        raise ValueError("it is no file")  # to read from a pipe could take for ever
                    self.check_file(path)
            splits = self.splits(_without_archive(self.source), root)
        return {name: self._framed(root, name, recordings) for name, recordings in splits.items()}

    def _files(self, root: Path) -> Iterator[Path]:
        for part in self.parts:
            path = root / self.folder / part
            yield from [path] if path.is_file() else path.rglob(f"*{self.kind}")

    def _framed(self, root: Path, name: str, recordings: Recordings) -> Split:
        opened, indices = recordings.source, recordings.indices
        with self._naming(str(root / self.folder)):
            labels = torch.tensor(self.labels(opened), dtype=torch.int64)[torch.tensor(indices, dtype=torch.int64)]
        check_labels(labels, self.classes, f"{root / self.folder} ({name} split)")
        files = [self.file_of(opened, index) for index in indices]
        stamps = {path: _stamp(path, root) for path in dict.fromkeys(files)}
        key = cache_key(self.framing, [stamps[path] for path in files], f"{self.name} {name}")

        def recording(position: int) -> NDArray[np.int64]:
            path = files[position]
            with self._naming(str(path) if len(stamps) == len(files) else f"{path}, recording {indices[position]}"):
                events = recordings.events(position)
                if not len(events):
                    raise ValueError("it holds no events")
                return frame(events, self.framing)

        frames = cached_frames(frames_folder(root), f"{self.name}-{name}-{key}", self.framing, len(labels), recording)
        return Split(torch.from_numpy(frames), labels)

    @contextlib.contextmanager
    def _naming(self, name: str) -> Iterator[None]:
        """Turn what a reader raises into one message that names the file."""
        try:
            yield
        except self._raised(DAMAGE) as error:
            raise DataError(f"{name}: damaged, or not of {self.name} ({_words(error)}); get it again") from error

    def _raised(self, usual: tuple[type[Exception], ...]) -> tuple[type[Exception], ...]:
        return (*usual, *self.damage)


def _without_archive(source: Any) -> Any:
    """Return tonic's class, told that the files are there: it asks for the archive beside them, which nobody needs."""
    return type(source.__name__, (source,), {"_check_exists": lambda self: True})


def _stamp(path: Path, root: Path) -> tuple[str, int, int]:
    status = path.stat()
    return os.path.relpath(path, root), status.st_size, status.st_mtime_ns


def _digest(files: Iterable[Path], root: Path) -> str:
    """Return 12 hex digits over the names below `root` and sizes of files: the same on every machine."""
    names = sorted(f"{os.path.relpath(path, root)} {path.stat().st_size}\n" for path in files)
    return hashlib.sha256("".join(names).encode("utf-8", "surrogateescape")).hexdigest()[:12]


def _words(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__
