"""The data set contract: what is known before loading, the arrays after it, the held-out part and the checks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

import torch
from torch import Tensor

from bench.errors import DataError
from bench.records.source import DataSource, Fold, InputKind
from bench.seeding import seed_for


@dataclass(frozen=True)
class Split:
    """Samples and their classes: images [N, C, H, W], uint8 (0..255) or float32 (0..1), and labels int64 [N].

    Event recordings are frames [N, T, C, H, W] of counts, in whole numbers.
    """

    images: Tensor
    labels: Tensor

    def __len__(self) -> int:
        return len(self.labels)

    def subset(self, indices: Tensor) -> Split:
        """Return the samples at `indices` [M], in that order."""
        return Split(self.images[indices], self.labels[indices])


@dataclass(frozen=True)
class Arrays:
    """A loaded data set. `mean` and `std` [C] are of the training images scaled to 0..1; of event counts 0 and 1."""

    train: Split
    test: Split
    validation: Split | None
    classes: int
    mean: Tensor
    std: Tensor
    input_kind: InputKind = "analog"
    source: DataSource | None = None  # of recordings alone
    fold: Fold | None = None  # where the seed chooses the test samples

    @property
    def in_channels(self) -> int:
        """Channels of an image."""
        return self.train.images.shape[-3]

    @property
    def image_size(self) -> tuple[int, int]:
        """Height and width of an image, pixels."""
        height, width = self.train.images.shape[-2:]
        return height, width


class Dataset:
    """A source of labelled images. What a plan needs is known without loading: shapes, classes and sample counts.

    A subclass sets the attributes below and writes `load`; `prepare` too where data must be found or fetched first.
    """

    name: ClassVar[str]
    in_channels: int
    classes: int
    image_size: tuple[int, int]  # height, width, pixels
    train_samples: int
    test_samples: int
    mean: Sequence[float]  # per channel, of the training images scaled to 0..1
    std: Sequence[float]
    input_kind: InputKind = "analog"
    events: ClassVar[bool] = False  # samples are frames of event recordings

    @property
    def sample_shape(self) -> tuple[int, ...]:
        """Shape of a sample: [C, H, W]; [T, C, H, W] of an event recording."""
        return self.in_channels, *self.image_size

    def prepare(self, root: Path, *, offline: bool) -> None:
        """Find the data under `root`, or download it unless `offline`. Raises DataError when that is impossible."""

    def load(self, root: Path, *, offline: bool) -> Arrays:
        """Return the whole data set in memory. Raises DataError when it is missing, incomplete or unreadable."""
        raise NotImplementedError

    def arrays(self, train: Split, test: Split, where: str) -> Arrays:
        """Return the two splits as Arrays. Raises DataError, naming `where`, when they are not what the class says."""
        for name, split, samples in (("train", train, self.train_samples), ("test", test, self.test_samples)):
            check_labels(split.labels, self.classes, f"{where} ({name} split)")
            found, expected = tuple(split.images.shape), (samples, self.in_channels, *self.image_size)
            if found != expected or len(split.labels) != samples:
                raise DataError(
                    f"{where} ({name} split): images {list(found)} and {len(split.labels)} labels where {self.name} "
                    f"has images {list(expected)} and {samples} labels; the copy is incomplete or of another data set"
                )
        mean, std = (torch.tensor(value, dtype=torch.float32, device="cpu") for value in (self.mean, self.std))
        return Arrays(train, test, None, self.classes, mean, std, self.input_kind)


def hold_out(arrays: Arrays, fraction: float, seed: int) -> Arrays:
    """Return `arrays` with `fraction` of its training split, stratified by class, moved to `validation`.

    The choice depends on the seed and the labels alone; 0 leaves `arrays` as it is. Raises DataError when nothing would
    be held out.
    """
    if fraction == 0:
        return arrays
    if arrays.validation is not None:
        raise DataError(
            f"validation_fraction = {fraction}: the data set has a validation split of its own, "
            f"{len(arrays.validation):,} samples; leave validation_fraction out to use it"
        )
    train, held = stratified(arrays.train.labels, fraction, seed)
    if len(held) == 0:
        largest = int(arrays.train.labels.bincount().max())
        raise DataError(
            f"validation_fraction = {fraction} of {len(arrays.train)} training samples holds nothing out: the largest "
            f"class has {largest}; raise it above {0.5 / largest:.2g}, or leave it out"
        )
    return replace(arrays, train=arrays.train.subset(train), validation=arrays.train.subset(held))


def stratified(labels: Tensor, fraction: float, seed: int) -> tuple[Tensor, Tensor]:
    """Split positions 0..N-1 of `labels` [N] by class: kept and held-out positions, both rising.

    Of a class with n samples round(fraction * n) are held out, and at most n - 1.
    """
    generator = torch.Generator().manual_seed(seed_for("validation", seed))
    held = torch.zeros(len(labels), dtype=torch.bool)
    for label in range(int(labels.max()) + 1):
        members = (labels == label).nonzero().flatten()
        count = max(0, min(round(fraction * len(members)), len(members) - 1))
        held[members[torch.randperm(len(members), generator=generator)[:count]]] = True
    return (~held).nonzero().flatten(), held.nonzero().flatten()


def check_arrays(arrays: Arrays, where: str) -> None:
    """Raise DataError, naming `where` and the split, for a data set that nothing could be learned or measured on."""
    for name, split in (("train", arrays.train), ("validation", arrays.validation), ("test", arrays.test)):
        if split is None:
            continue
        if len(split.images) != len(split.labels):
            raise DataError(f"{where} ({name} split): {len(split.images)} images with {len(split.labels)} labels")
        check_labels(split.labels, arrays.classes, f"{where} ({name} split)")


def check_labels(labels: Tensor, classes: int, where: str) -> None:
    """Raise DataError, naming `where`, unless `labels` [N] are 0..classes-1, not none and not all of one class."""
    if labels.ndim != 1:
        raise DataError(f"{where}: labels of shape {list(labels.shape)}, not one for each sample; of another data set")
    if len(labels) == 0:
        raise DataError(f"{where}: no samples; the copy is empty or incomplete")
    low, high = int(labels.min()), int(labels.max())
    if low < 0 or high >= classes:
        wrong = low if low < 0 else high
        raise DataError(f"{where}: label {wrong} is out of range; {classes} classes are numbered 0 to {classes - 1}")
    if low == high:
        raise DataError(f"{where}: all {len(labels)} samples are of class {low}; at least two classes are needed")
