"""Event-camera data sets through tonic: N-MNIST, DVS-Gesture, CIFAR10-DVS, N-Caltech101, Poker-DVS and ASL-DVS."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from scipy.io.matlab import MatReadError
from tonic import datasets

from bench.data.base import stratified
from bench.data.recordings.contract import EventDataset, Recordings
from bench.errors import DataError


class _Camera(EventDataset):
    """slices: "count", T slices of equally many events, or "time", T spans of equal duration.

    size: side of the frames, pixels, at most the sensor's; events of neighbouring pixels add up.  binary: 1 where there
    was any event, in place of event counts.  partial: use a folder that does not hold all recordings.
    """

    def __init__(
        self,
        *,
        slices: Literal["count", "time"] = "count",
        size: int | None = None,
        binary: bool = False,
        partial: bool = False,
        _timesteps: int = 1,
    ) -> None:
        self.frame_as(
            timesteps=_timesteps, slices=slices, size=_frame_size(self.sensor, size), binary=binary, partial=partial
        )


def _frame_size(sensor: tuple[int, int, int], side: int | None) -> tuple[int, int]:
    width, height, _ = sensor
    if side is None:
        return height, width
    if not 1 <= side <= max(width, height):
        raise ValueError(f"size should be 1 to {max(width, height)} pixels, not {side}")
    return min(side, height), min(side, width)


class _Unsplit(EventDataset):
    """A camera's data set that comes without a split.

    Of the recordings of each class, `test_fraction` are drawn with `split_seed` to test, once for every run whatever
    its own seed; the draw depends on nothing but the files' names and their classes. The other parameters are those of
    the other cameras' data sets.
    """

    parts = ("",)

    def __init__(
        self,
        *,
        slices: Literal["count", "time"] = "count",
        size: int | None = None,
        binary: bool = False,
        partial: bool = False,
        test_fraction: float = 0.1,
        split_seed: int = 0,
        _timesteps: int = 1,
    ) -> None:
        if not 0 < test_fraction < 1:
            raise ValueError(f"test_fraction should lie between 0 and 1, not be {test_fraction}")
        if not 0 <= split_seed:
            raise ValueError(f"split_seed should be 0 or more, not {split_seed}")
        self.test_fraction, self.split_seed = test_fraction, split_seed
        self.frame_as(
            timesteps=_timesteps, slices=slices, size=_frame_size(self.sensor, size), binary=binary, partial=partial
        )

    def expected(self) -> tuple[int, ...]:
        """Return how many recordings there are."""
        return (self.train_samples + self.test_samples,)

    def splits(self, source: Any, root: Path) -> dict[str, Recordings]:
        """Open tonic's data set and split it."""
        every = self.in_order(source(str(root)))
        if not len(every):
            raise ValueError("no recordings")
        labels = torch.tensor(self.labels(every.source))[torch.tensor(every.indices)]
        kept, held = stratified(labels, self.test_fraction, self.split_seed)
        return {
            "train": Recordings(every.source, [every.indices[position] for position in kept.tolist()]),
            "test": Recordings(every.source, [every.indices[position] for position in held.tolist()]),
        }


class NMnist(_Camera):
    """MNIST digits before a moving event camera, 34x34, 60,000 to train and 10,000 to test.

    Source: Orchard et al. 2015, "Converting Static Image Datasets to Spiking Neuromorphic Datasets Using Saccades".
    """

    name = "n-mnist"
    source = datasets.NMNIST
    page = "https://www.garrickorchard.com/datasets/n-mnist"
    folder, parts = "NMNIST", ("Train", "Test")
    sensor = (34, 34, 2)
    classes = 10
    train_samples, test_samples = 60_000, 10_000
    event_bytes = 5


class DvsGesture(_Camera):
    """Eleven gestures of 29 people before an event camera, 128x128, 1,077 to train and 264 to test.

    Source: Amir et al. 2017, "A Low Power, Fully Event-Based Gesture Recognition System"; tonic's cut into single
    gestures, times in ms.
    """

    name = "dvs-gesture"
    source = datasets.DVSGesture
    page = "https://research.ibm.com/interactive/dvsgesture/"
    folder, parts, kind = "DVSGesture", ("ibmGestureTrain", "ibmGestureTest"), ".npy"
    sensor = (128, 128, 2)
    classes = 11
    train_samples, test_samples = 1_077, 264


class PokerDvs(_Camera):
    """Card suits of a deck that is flicked through, 35x35, 48 recordings to train and 20 to test.

    Source: Serrano-Gotarredona & Linares-Barranco 2015, "Poker-DVS and MNIST-DVS".
    """

    name = "poker-dvs"
    source = datasets.POKERDVS
    page = "https://www2.imse-cnm.csic.es/caviar/POKERDVS.html"
    folder, parts, kind = "POKERDVS", ("pips_train", "pips_test"), ".npy"
    sensor = (35, 35, 2)
    classes = 4
    train_samples, test_samples = 48, 20

    def check_file(self, path: Path) -> None:
        """Raise ValueError or EOFError for a file that is cut short: tonic reads all of them at once."""
        np.load(path, mmap_mode="r", allow_pickle=False)

    def file_of(self, opened: Any, index: int) -> Path:
        """Return the file of a recording, in the order in which tonic walks its folder."""
        folder = os.path.join(opened.location_on_system, opened.folder_name)
        found = [
            Path(path, file) for path, _, files in os.walk(folder) for file in sorted(files) if file.endswith("npy")
        ]
        return found[index]


class Cifar10Dvs(_Unsplit):
    """CIFAR-10 photographs moved before an event camera, 128x128, 10,000 recordings; split 9:1 here.

    Source: Li et al. 2017, "CIFAR10-DVS: An Event-Stream Dataset for Object Classification".
    """

    name = "cifar10-dvs"
    source = datasets.CIFAR10DVS
    page = "https://figshare.com/articles/dataset/CIFAR10-DVS_New/4724671"
    folder, kind = "CIFAR10DVS", ".aedat4"
    sensor = (128, 128, 2)
    classes = 10
    train_samples, test_samples = 9_000, 1_000
    damage = (Exception,)  # tonic raises this itself where a file has no events; it is passed on with the file's name

    def prepare(self, root: Path, *, offline: bool) -> None:
        """Find and frame the recordings. Raises DataError, also where the package that reads them is missing."""
        if importlib.util.find_spec("aedat") is None:
            raise DataError("cifar10-dvs: its files are read by the package aedat; install it with: pip install aedat")
        super().prepare(root, offline=offline)


class NCaltech101(_Unsplit):
    """Caltech-101 photographs before a moving event camera, at most 240x180, 8,709 recordings; split 9:1 here.

    Classes are numbered in the order of their sorted names. Recordings differ in size; all lie in the sensor's corner.
    Source: Orchard et al. 2015, "Converting Static Image Datasets to Spiking Neuromorphic Datasets Using Saccades".
    """

    name = "n-caltech101"
    source = datasets.NCALTECH101
    page = "https://www.garrickorchard.com/datasets/n-caltech101"
    folder, parts = "NCALTECH101", ("Caltech101",)
    sensor = (240, 180, 2)
    classes = 101
    train_samples, test_samples = 7_838, 871
    event_bytes = 5

    def in_order(self, opened: Any) -> Recordings:
        """Return all recordings in the order of their files; tonic's targets are the classes' names."""
        number = {name: index for index, name in enumerate(sorted(set(opened.targets)))}
        opened.targets = [number[target] for target in opened.targets]
        return super().in_order(opened)


class AslDvs(_Unsplit):
    """Hand shapes of 24 letters of American Sign Language, 240x180, 100,800 recordings; split 9:1 here.

    Classes are numbered by the alphabet; j and z, which move, have no recordings.
    Source: Bi et al. 2019, "Graph-Based Object Classification for Neuromorphic Vision Sensing".
    """

    name = "asl-dvs"
    source = datasets.ASLDVS
    page = "https://github.com/PIX2NVS/NVS2Graph"
    folder, kind = "ASLDVS", ".mat"
    sensor = (240, 180, 2)
    classes = 26
    train_samples, test_samples = 90_720, 10_080
    damage = (MatReadError,)
