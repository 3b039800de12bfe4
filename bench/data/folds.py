"""Test samples that follow from the seed: repeated cross-validation over all samples of a data set."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from bench.data.base import Arrays, Split, hold_out
from bench.errors import DataError
from bench.records.source import Fold
from bench.seeding import seed_for

FOLDS = 5
_AT_ONCE = 1000  # images whose values are summed together, so that no copy of all in 64 bits is made


def fold_of(arrays: Arrays, validation_fraction: float, seed: int) -> Arrays:
    """Return `arrays` with the test samples of a seed: fold seed % 5 of partition seed // 5 of all its samples.

    All others train, less the `validation_fraction` of them that is held out; mean and standard deviation are theirs.
    The samples of the data set's own training split count first, then those of its test split. Raises DataError for
    recordings, for a data set with a validation split of its own, for fewer samples of a class than folds, and where
    `hold_out` does.
    """
    if arrays.source is not None or arrays.train.images.ndim != 4:
        raise DataError("test_split = 'folds': is of images; recordings keep the split that they come with")
    if arrays.validation is not None:
        raise DataError("test_split = 'folds': the data set has a validation split of its own; leave test_split out")
    images = torch.cat([arrays.train.images, arrays.test.images])
    labels = torch.cat([arrays.train.labels, arrays.test.labels])
    fewest = int(labels.bincount(minlength=arrays.classes).min())
    if fewest < FOLDS:
        raise DataError(f"test_split = 'folds': a class has {fewest} samples, fewer than the {FOLDS} folds")
    repetition, fold = divmod(seed, FOLDS)
    tested = torch.tensor(partition(labels.tolist(), repetition)) == fold
    everything = Split(images, labels)
    train, test = (everything.subset(part.nonzero().flatten()) for part in (~tested, tested))
    mean, std = mean_and_std(train.images)
    found = hold_out(replace(arrays, train=train, test=test, mean=mean, std=std), validation_fraction, seed)
    which = Fold(
        repetition=repetition, fold=fold, folds=FOLDS, train_samples=len(found.train), test=_digest(found.test)
    )
    return replace(found, fold=which)


def partition(labels: Sequence[int], repetition: int) -> list[int]:
    """Return the fold of each sample, 0 to 4, given their classes [N]: of one partition, by its number alone.

    Within a class samples stand in the order of sha256 of their numbers; then they are dealt to the folds in turn, so
    that neither a class nor the whole is spread unequally by more than one. No library's generator is used.
    """
    order = sorted(range(len(labels)), key=lambda sample: (labels[sample], seed_for("fold", repetition, sample)))
    folds = [0] * len(labels)
    for place, sample in enumerate(order):
        folds[sample] = place % FOLDS
    return folds


def mean_and_std(images: Tensor) -> tuple[Tensor, Tensor]:
    """Return mean and standard deviation [C] of images [N, C, H, W] scaled to 0..1, rounded to four decimals.

    Those of bytes are exact before they are rounded. A channel of one value has a deviation of 1.
    """
    exact = images.dtype == torch.uint8
    kind, top = (torch.int64, 255) if exact else (torch.float64, 1)
    count = images.numel() // images.shape[1]
    sums = torch.zeros(2, images.shape[1], dtype=kind)
    for part in images.split(_AT_ONCE):
        values = part.to(kind)
        sums += torch.stack([values.sum((0, 2, 3)), (values * values).sum((0, 2, 3))])
    totals, squares = sums.tolist()
    means = [round(total / count / top, 4) for total in totals]
    variances = [(count * square - total**2) / count**2 for total, square in zip(totals, squares, strict=True)]
    deviations = [round(math.sqrt(max(0.0, variance)) / top, 4) or 1.0 for variance in variances]
    mean, std = (torch.tensor(each, dtype=torch.float32, device="cpu") for each in (means, deviations))
    return mean, std


def _digest(split: Split) -> str:
    """Return 12 hex digits over the samples of a split and their classes, in their order."""
    content = hashlib.sha256(split.images.contiguous().numpy().tobytes())
    content.update(split.labels.numpy().tobytes())
    return content.hexdigest()[:12]
