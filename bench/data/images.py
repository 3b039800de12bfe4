"""Static image sets through torchvision: CIFAR-10, CIFAR-100, MNIST, Fashion-MNIST and Tiny-ImageNet."""

from __future__ import annotations

import http.client
import pickle
import tarfile
import zlib
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from PIL import Image
from torchvision import datasets

from bench.data.base import Arrays, Dataset, Split
from bench.errors import DataError

# What torchvision, pickle, tarfile and the idx reader raise for files that are not what they should be.
_DAMAGE = (OSError, RuntimeError, ValueError, TypeError, AssertionError, LookupError, EOFError, pickle.UnpicklingError)
_DOWNLOAD = (OSError, RuntimeError, EOFError, http.client.HTTPException, tarfile.TarError, zlib.error)


def _missing(dataset: Dataset, folder: Path, page: str, what: str, get: str) -> DataError:
    return DataError(
        f"{dataset.name}: {what}: {folder.absolute()}; {get} (official page: {page}), "
        "or name the folder that holds it with --data or SPIKEBENCH_DATA"
    )


def _cause(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__


class _Torchvision(Dataset):
    source: ClassVar[Any]  # class of torchvision.datasets
    page: ClassVar[str]

    def files(self, root: Path) -> list[Path]:
        """Return every file that must be there, in torchvision's layout."""
        raise NotImplementedError

    def prepare(self, root: Path, *, offline: bool) -> None:
        """Find the files under `root`, or download them unless `offline`. Raises DataError when that is impossible."""
        files = self.files(root)
        if all(path.is_file() for path in files):
            return
        folder = files[0].parent
        if offline:
            raise _missing(self, folder, self.page, "not found", "run without --offline to download it")
        try:
            self.source(str(root), train=True, download=True)
        except _DOWNLOAD as error:
            get = "check the connection and run again, or put the unpacked files there"
            raise _missing(self, folder, self.page, f"download failed ({_cause(error)}); wanted in", get) from error

    def load(self, root: Path, *, offline: bool) -> Arrays:
        """Return the data set. Raises DataError when it is missing or damaged."""
        self.prepare(root, offline=offline)
        folder = self.files(root)[0].parent.absolute()
        try:
            train, test = (self._split(self._open(root, train)) for train in (True, False))
        except _DAMAGE as error:
            # A parser's own words ("invalid literal for int()") would not help; the system's ("permission denied") do.
            detail = f" ({_cause(error)})" if isinstance(error, OSError) else ""
            raise DataError(
                f"{self.name}: the files in {folder} are damaged or incomplete{detail}; "
                "delete that folder and run without --offline to download it again"
            ) from error
        return self.arrays(train, test, str(folder))

    def _open(self, root: Path, train: bool) -> Any:
        return self.source(str(root), train=train, download=False)

    def _split(self, source: Any) -> Split:
        images = torch.as_tensor(source.data)
        if images.dtype != torch.uint8:
            raise ValueError(f"pixels are {images.dtype}, not bytes")
        images = images.unsqueeze(1) if images.ndim == 3 else images.permute(0, 3, 1, 2)
        return Split(images.contiguous(), torch.as_tensor(source.targets, dtype=torch.int64))


class _Cifar(_Torchvision):
    page = "https://www.cs.toronto.edu/~kriz/cifar.html"
    in_channels = 3
    image_size = (32, 32)
    train_samples = 50_000
    test_samples = 10_000

    def files(self, root: Path) -> list[Path]:
        names = [name for name, _ in [*self.source.train_list, *self.source.test_list]]
        return [root / self.source.base_folder / name for name in [*names, self.source.meta["filename"]]]


class Cifar10(_Cifar):
    """Colour photographs of 10 classes, 32x32, 50,000 to train and 10,000 to test.

    Source: Krizhevsky 2009, "Learning Multiple Layers of Features from Tiny Images".
    """

    name = "cifar10"
    source = datasets.CIFAR10
    classes = 10
    mean = (0.4914, 0.4822, 0.4465)
    std = (0.2470, 0.2435, 0.2616)


class Cifar100(_Cifar):
    """Colour photographs of 100 classes, 32x32, 50,000 to train and 10,000 to test.

    Source: Krizhevsky 2009, "Learning Multiple Layers of Features from Tiny Images".
    """

    name = "cifar100"
    source = datasets.CIFAR100
    classes = 100
    mean = (0.5071, 0.4865, 0.4409)
    std = (0.2673, 0.2564, 0.2762)


class _Idx(_Torchvision):
    in_channels = 1
    classes = 10
    image_size = (28, 28)
    train_samples = 60_000
    test_samples = 10_000

    def files(self, root: Path) -> list[Path]:
        folder = root / self.source.__name__ / "raw"
        return [folder / name.removesuffix(".gz") for name, _ in self.source.resources]

    def _open(self, root: Path, train: bool) -> Any:
        """Open torchvision's data set, told to leave alone what an older torchvision made of these files."""
        source = type(self.source.__name__, (self.source,), {"_check_legacy_exist": lambda self: False})
        return source(str(root), train=train, download=False)


class Mnist(_Idx):
    """Handwritten digits, 28x28 grey, 60,000 to train and 10,000 to test.

    Source: LeCun et al. 1998, "Gradient-based learning applied to document recognition".
    """

    name = "mnist"
    source = datasets.MNIST
    page = "https://ossci-datasets.s3.amazonaws.com/mnist/"
    mean = (0.1307,)
    std = (0.3081,)


class FashionMnist(_Idx):
    """Articles of clothing, 28x28 grey, 60,000 to train and 10,000 to test.

    Source: Xiao et al. 2017, "Fashion-MNIST: a Novel Image Dataset for Benchmarking Machine Learning Algorithms".
    """

    name = "fashion-mnist"
    source = datasets.FashionMNIST
    page = "https://github.com/zalandoresearch/fashion-mnist"
    mean = (0.2860,)
    std = (0.3530,)


def _annotated(folder: Path, class_to_index: Mapping[str, int]) -> list[tuple[str, int]]:
    """Read Tiny-ImageNet's val_annotations.txt (a line: file, wnid, box): paths and class numbers, in its order."""
    rows = [line.split("\t") for line in (folder / "val_annotations.txt").read_text("utf-8").splitlines()]
    for number, row in enumerate(rows, start=1):
        if len(row) < 2 or row[1] not in class_to_index:
            raise ValueError(f"val_annotations.txt, line {number}: no known class in {row}")
    return [(str(folder / "images" / row[0]), class_to_index[row[1]]) for row in rows]


class TinyImageNet(Dataset):
    """Colour photographs of 200 classes, 64x64, 100,000 to train; the official validation images are the test split.

    Layout: tiny-imagenet-200/{train/<wnid>/images/*.JPEG, val/images/*.JPEG, val/val_annotations.txt, wnids.txt}.
    Classes are numbered in the order of their sorted wnids. Not downloaded. Source: Stanford CS231n, 2015.
    """

    name = "tiny-imagenet"
    in_channels = 3
    classes = 200
    image_size = (64, 64)
    train_samples = 100_000
    test_samples = 10_000
    mean = (0.4802, 0.4481, 0.3975)
    std = (0.2770, 0.2691, 0.2821)

    def prepare(self, root: Path, *, offline: bool) -> None:
        """Find the folder under `root`. Raises DataError when it or a part of it is not there."""
        folder = root / "tiny-imagenet-200"
        parts = [folder, *(folder / name for name in ("wnids.txt", "train", "val/images", "val/val_annotations.txt"))]
        for path in parts:
            if not path.exists():
                page = "http://cs231n.stanford.edu/tiny-imagenet-200.zip"
                raise _missing(self, path, page, "not found", f"unpack tiny-imagenet-200.zip in {root.absolute()}")

    def load(self, root: Path, *, offline: bool) -> Arrays:
        """Return the data set. Raises DataError when it is missing, incomplete or damaged."""
        self.prepare(root, offline=offline)
        folder = root / "tiny-imagenet-200"
        try:
            train = datasets.ImageFolder(str(folder / "train"))
            wnids = (folder / "wnids.txt").read_text("utf-8").split()
            if sorted(wnids) != train.classes:
                raise ValueError(f"wnids.txt names {len(wnids)} classes, train has {len(train.classes)} or others")
            test = _annotated(folder / "val", train.class_to_idx)
            return self.arrays(self._decode(train.samples), self._decode(test), str(folder.absolute()))
        except (OSError, ValueError) as error:
            raise DataError(
                f"{self.name}: {folder.absolute()} is damaged or incomplete ({_cause(error)}); "
                "unpack tiny-imagenet-200.zip again"
            ) from error

    def _decode(self, samples: Sequence[tuple[str, int]]) -> Split:
        images = torch.empty(len(samples), self.in_channels, *self.image_size, dtype=torch.uint8)

        def fill(index: int) -> None:
            with Image.open(samples[index][0]) as image:
                pixels = np.array(image.convert("RGB"))
            if pixels.shape[:2] != self.image_size:
                raise ValueError(f"{samples[index][0]}: {pixels.shape[0]}x{pixels.shape[1]} pixels, not 64x64")
            images[index] = torch.from_numpy(pixels).permute(2, 0, 1)

        with ThreadPoolExecutor() as pool:  # JPEG decoding releases the interpreter lock
            for _ in pool.map(fill, range(len(samples))):
                pass
        return Split(images, torch.tensor([label for _, label in samples], dtype=torch.int64))
