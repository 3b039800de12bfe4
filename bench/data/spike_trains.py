"""Spoken words as spike trains of an artificial cochlea through tonic: SHD and SSC."""

from __future__ import annotations

import functools
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal

import h5py
import numpy as np
from numpy.typing import NDArray
from tonic import datasets

from bench.data.recordings.contract import DAMAGE, EventDataset, Recordings

PATIENCE_S, SLOWEST_BYTES_PER_S = 30.0, 500_000  # for a trial: to begin, and what a slow disk reads
_TRIAL = """
import sys, h5py
with h5py.File(sys.argv[1], "r") as file:
    for name in ("spikes/times", "spikes/units"):
        for row in range(len(file[name])):
            file[name][row]
"""


@functools.lru_cache(maxsize=16)
def _try_to_read(path: Path, changed_ns: int, size: int) -> None:
    """Read a file once in another process, which may crash or never end: the HDF5 library does so with damaged lists.

    Raises ValueError where it does not come to its end.
    """
    command = [sys.executable, "-c", _TRIAL, str(path)]
    try:
        done = subprocess.run(command, capture_output=True, timeout=PATIENCE_S + size / SLOWEST_BYTES_PER_S)
    except subprocess.TimeoutExpired:
        raise ValueError("to read the file never ends") from None
    if done.returncode:
        last = done.stderr.decode("utf-8", "replace").strip().rpartition("\n")[2]
        raise ValueError(f"the file cannot be read: {last or f'the reader ended with {done.returncode}'}")


class _Tried(Recordings):
    """Recordings in one HDF5 file that is read in another process before it is read in this one."""

    def events(self, position: int) -> NDArray[Any]:
        """Return the events of one recording, in the order of time."""
        path = Path(self.source.location_on_system, self.source.data_filename)
        status = path.stat()
        _try_to_read(path, status.st_mtime_ns, status.st_size)
        with np.errstate(invalid="raise"):  # a time that is not a number would become some whole number
            return super().events(position)


class _Cochlea(EventDataset):
    """slices: "time", T spans of equal duration, or "count", T slices of equally many spikes.

    units: channels of the cochlea, at most 700; spikes of neighbouring ones add up.  binary: 1 where there was any
    spike, in place of counts.  partial: use files that do not hold all recordings.
    """

    sensor = (700, 1, 1)
    kind = ".h5"
    split_names: ClassVar[dict[str, dict[str, Any]]]  # split -> how tonic's class is asked for it

    def __init__(
        self,
        *,
        slices: Literal["time", "count"] = "time",
        units: int = 700,
        binary: bool = False,
        partial: bool = False,
        _timesteps: int = 1,
    ) -> None:
        if not 1 <= units <= self.sensor[0]:
            raise ValueError(f"units should be 1 to {self.sensor[0]}, not {units}")
        self.frame_as(timesteps=_timesteps, slices=slices, size=(1, units), binary=binary, partial=partial)

    def count(self, root: Path) -> tuple[int, ...]:
        """Return how many recordings each file holds."""
        return tuple(_recordings(root / self.folder / part) for part in self.parts)

    def splits(self, source: Any, root: Path) -> dict[str, Recordings]:
        """Open tonic's data sets."""
        opened = {name: source(str(root), **asked) for name, asked in self.split_names.items()}
        return {name: _Tried(split, range(len(split))) for name, split in opened.items()}

    def labels(self, opened: Any) -> Sequence[int]:
        """Return the class of every recording."""
        with h5py.File(self.file_of(opened, 0), "r") as file:
            return [int(label) for label in file["labels"]]

    def file_of(self, opened: Any, index: int) -> Path:
        """Return the file that holds all recordings of a split."""
        return Path(opened.location_on_system, opened.data_filename)

    def check_file(self, path: Path) -> None:
        """Raise OSError, KeyError or ValueError for a file cut short, or without the tables that tonic reads."""
        with h5py.File(path, "r") as file:
            tables = [file[name] for name in ("labels", "spikes/times", "spikes/units")]
            lengths = [_rows(tables[0], listed=False), *(_rows(table, listed=True) for table in tables[1:])]
        if len(set(lengths)) > 1:
            raise ValueError(f"it has {lengths[0]} labels and the spikes of {lengths[1]} and {lengths[2]} recordings")


def _rows(table: Any, *, listed: bool) -> int:
    """Return the length of a column of whole numbers, or of lists of numbers. Raises ValueError for anything else."""
    kind = table.dtype if isinstance(table, h5py.Dataset) else None  # a name may be of a group, or of a type
    inner = h5py.check_vlen_dtype(kind) if listed and kind is not None else kind
    numbers = getattr(inner, "kind", "") in tuple("iuf" if listed else "iu")
    if not numbers or len(table.shape or ()) != 1:
        raise ValueError(f"{table.name} is no column of {'lists of numbers' if listed else 'whole numbers'}")
    return len(table)


def _recordings(path: Path) -> int:
    """Return how many recordings a file holds; one that cannot be read is there and has to be looked at: 1."""
    if not path.is_file():
        return 0
    try:
        with h5py.File(path, "r") as file:
            return len(file["labels"])
    except DAMAGE:
        return 1


class Shd(_Cochlea):
    """Spoken digits, German and English, as spikes of 700 channels: 20 classes, 8,156 to train and 2,264 to test.

    Source: Cramer et al. 2020, "The Heidelberg Spiking Data Sets for the Systematic Evaluation of Spiking Neural
    Networks".
    """

    name = "shd"
    source = datasets.SHD
    page = "https://zenkelab.org/datasets/"
    folder, parts = "SHD", ("shd_train.h5", "shd_test.h5")
    classes = 20
    train_samples, test_samples = 8_156, 2_264
    split_names: ClassVar = {"train": {"train": True}, "test": {"train": False}}


class Ssc(_Cochlea):
    """Spoken commands as spikes of 700 channels: 35 classes, 75,466 to train, 9,981 to validate, 20,382 to test.

    Source: Cramer et al. 2020, as SHD.
    """

    name = "ssc"
    source = datasets.SSC
    page = "https://zenkelab.org/datasets/"
    folder, parts = "SSC", ("ssc_train.h5", "ssc_valid.h5", "ssc_test.h5")
    classes = 35
    train_samples, test_samples, validation_samples = 75_466, 20_382, 9_981
    split_names: ClassVar = {
        "train": {"split": "train"},
        "validation": {"split": "valid"},
        "test": {"split": "test"},
    }

    def expected(self) -> tuple[int, ...]:
        """Return how many recordings the files hold."""
        return (self.train_samples, self.validation_samples, self.test_samples)
