"""The built-in data sets: missing, damaged and downloaded files, layouts, numbers on real data."""

import hashlib
import importlib.util
import os
import pickle
import urllib.error
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.datasets import load_digits

from bench.data.digits import Digits
from bench.data.images import Cifar10, Cifar100, FashionMnist, Mnist, TinyImageNet
from bench.errors import DataError
from bench.plugins import registry

DOWNLOADED = [Cifar10, Cifar100, Mnist, FashionMnist]
FOLDERS = {
    Cifar10: "cifar-10-batches-py",
    Cifar100: "cifar-100-python",
    Mnist: "MNIST/raw",
    FashionMnist: "FashionMNIST/raw",
}


def test_digits_are_split_once_and_for_all(tmp_path):
    arrays = Digits().load(tmp_path, offline=True)
    assert (len(arrays.train), len(arrays.test)) == (1437, 360)
    assert arrays.test.labels.bincount().tolist() == [36, 36, 35, 37, 36, 37, 36, 36, 35, 36]
    bytes_ = arrays.test.images.numpy().tobytes() + arrays.test.labels.numpy().tobytes()
    assert hashlib.sha256(bytes_).hexdigest()[:16] == "99ac20baf448e93e"


def test_digits_without_their_file_are_missed(tmp_path, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(DataError, match=r"'digits' is a file of scikit-learn.*pip install"):
        Digits().load(tmp_path, offline=True)


def test_digits_keep_their_grey_levels(tmp_path):
    arrays = Digits().load(tmp_path, offline=True)
    images = torch.cat([arrays.train.images, arrays.test.images])
    assert images.dtype == torch.uint8 and images.unique().tolist() == [round(255 * level / 16) for level in range(17)]
    original = torch.from_numpy(load_digits().images).sum((1, 2))
    levels = (images.double() * 16 / 255).round()
    assert levels.sum((1, 2, 3)).sort().values.tolist() == original.sort().values.tolist()
    assert levels.max() == 16 and (images.double() / 255 - levels / 16).abs().max() <= 1 / 510


def test_digits_mean_and_std_are_the_training_splits(tmp_path):
    arrays = Digits().load(tmp_path, offline=True)
    pixels = arrays.train.images.double() / 255
    assert arrays.mean.item() == pytest.approx(pixels.mean().item(), abs=5e-5)
    assert arrays.std.item() == pytest.approx(pixels.std(correction=0).item(), abs=5e-5)


@pytest.mark.parametrize("dataset", [*DOWNLOADED, TinyImageNet])
@pytest.mark.parametrize("verb", ["prepare", "load"])
def test_missing_data_says_where_and_what_to_do(dataset, verb, tmp_path):
    with pytest.raises(DataError) as error:
        getattr(dataset(), verb)(tmp_path, offline=True)
    text = str(error.value)
    folder = tmp_path / FOLDERS.get(dataset, "tiny-imagenet-200")
    assert text.startswith(f"{dataset.name}: not found: {folder};")
    assert "http" in text and "--data or SPIKEBENCH_DATA" in text
    assert ("run without --offline" in text) == (dataset in DOWNLOADED)


def test_a_relative_folder_is_named_absolutely(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError, match=str(tmp_path / "data" / "cifar-10-batches-py")):
        Cifar10().prepare(Path("data"), offline=True)


@pytest.mark.parametrize("dataset", DOWNLOADED)
def test_a_failed_download_is_told_with_its_cause(dataset, tmp_path, monkeypatch):
    def refuse(*args, **kwargs):
        raise urllib.error.URLError("Name or service not known")

    monkeypatch.setattr("urllib.request.urlopen", refuse)
    with pytest.raises(DataError) as error:
        dataset().load(tmp_path, offline=False)
    text = str(error.value)
    assert "download failed" in text and "Name or service not known" in text and "\n" not in text
    assert str(tmp_path / FOLDERS[dataset]) in text and "--data or SPIKEBENCH_DATA" in text


def fill(folder, names, content):
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / name).write_bytes(content)


def no_network(monkeypatch):
    def fail(*args, **kwargs):
        raise AssertionError("the network was used")

    monkeypatch.setattr("urllib.request.urlopen", fail)


@pytest.mark.parametrize("dataset", DOWNLOADED)
@pytest.mark.parametrize(
    "content", [b"", b"\x00\x00\x08\x03garbage", b"\x00\x00\x08\x03" + b"\x00\x00\x00\x02" * 3 + b"12"]
)
def test_damaged_files_name_the_folder_and_are_not_fetched_again(dataset, content, tmp_path, monkeypatch):
    no_network(monkeypatch)
    fill(tmp_path / FOLDERS[dataset], [path.name for path in dataset().files(tmp_path)], content)
    with pytest.raises(DataError) as error:
        dataset().load(tmp_path, offline=False)
    text = str(error.value)
    assert text == (
        f"{dataset.name}: the files in {tmp_path / FOLDERS[dataset]} are damaged or incomplete; "
        "delete that folder and run without --offline to download it again"
    )


def idx(shape, values):
    return bytes([0, 0, 8, len(shape)]) + b"".join(size.to_bytes(4, "big") for size in shape) + bytes(values)


def small_mnist(folder):
    fill(folder, [], b"")
    for part, samples in (("train", 3), ("t10k", 2)):
        pixels = [n % 251 for n in range(samples * 784)]
        (folder / f"{part}-images-idx3-ubyte").write_bytes(idx((samples, 28, 28), pixels))
        (folder / f"{part}-labels-idx1-ubyte").write_bytes(idx((samples,), range(samples)))


def test_idx_files_are_read_without_the_network(tmp_path, monkeypatch):
    no_network(monkeypatch)
    small_mnist(tmp_path / "MNIST" / "raw")
    monkeypatch.setattr(Mnist, "train_samples", 3)
    monkeypatch.setattr(Mnist, "test_samples", 2)
    arrays = Mnist().load(tmp_path, offline=False)
    assert arrays.train.images.shape == (3, 1, 28, 28) and arrays.train.images.dtype == torch.uint8
    assert arrays.train.images.flatten().tolist() == [n % 251 for n in range(3 * 784)]
    assert arrays.train.labels.tolist() == [0, 1, 2] and arrays.test.labels.tolist() == [0, 1]


def test_what_an_older_torchvision_made_of_the_files_is_not_read(tmp_path, monkeypatch):
    small_mnist(tmp_path / "MNIST" / "raw")
    monkeypatch.setattr(Mnist, "train_samples", 3)
    monkeypatch.setattr(Mnist, "test_samples", 2)
    for name in ("training.pt", "test.pt"):
        (tmp_path / "MNIST" / "processed").mkdir(exist_ok=True)
        torch.save((torch.zeros(3, 28, 28), torch.tensor(3)), tmp_path / "MNIST" / "processed" / name)
    arrays = Mnist().load(tmp_path, offline=True)
    assert arrays.train.labels.tolist() == [0, 1, 2] and arrays.train.images.dtype == torch.uint8


def test_a_copy_with_too_few_images_is_refused(tmp_path):
    small_mnist(tmp_path / "MNIST" / "raw")
    with pytest.raises(DataError, match=r"images \[3, 1, 28, 28\] and 3 labels where mnist has images \[60000"):
        Mnist().load(tmp_path, offline=True)


def test_cifar_files_hold_colour_planes_row_by_row(tmp_path, monkeypatch):
    no_network(monkeypatch)
    folder = tmp_path / FOLDERS[Cifar10]
    folder.mkdir()
    pixels = np.arange(6 * 3072, dtype=np.uint32).reshape(6, 3072).astype(np.uint8)
    parts = {"data_batch_1": (0, 2), "data_batch_2": (2, 4), "test_batch": (4, 6)}
    contents = {name: {"data": pixels[a:b], "labels": list(range(a, b))} for name, (a, b) in parts.items()}
    for name, content in [*contents.items(), ("batches.meta", {"label_names": [str(n) for n in range(10)]})]:
        (folder / name).write_bytes(pickle.dumps(content))
    sums = {path.name: hashlib.md5(path.read_bytes()).hexdigest() for path in folder.iterdir()}
    monkeypatch.setattr(Cifar10.source, "train_list", [[name, sums[name]] for name in ("data_batch_1", "data_batch_2")])
    monkeypatch.setattr(Cifar10.source, "test_list", [["test_batch", sums["test_batch"]]])
    monkeypatch.setattr(Cifar10.source, "meta", Cifar10.source.meta | {"md5": sums["batches.meta"]})
    monkeypatch.setattr(Cifar10, "train_samples", 4)
    monkeypatch.setattr(Cifar10, "test_samples", 2)
    arrays = Cifar10().load(tmp_path, offline=False)
    assert torch.equal(arrays.train.images, torch.from_numpy(pixels[:4]).view(4, 3, 32, 32))
    assert torch.equal(arrays.test.images, torch.from_numpy(pixels[4:]).view(2, 3, 32, 32))
    assert arrays.train.labels.tolist() == [0, 1, 2, 3] and arrays.test.labels.tolist() == [4, 5]


WNIDS = [f"n{9000 - 7 * n:08d}" for n in range(200)]  # not in sorted order


@pytest.fixture(scope="module")
def tiny_imagenet(tmp_path_factory):
    root = tmp_path_factory.mktemp("data")
    folder = root / "tiny-imagenet-200"
    (folder / "val" / "images").mkdir(parents=True)
    (folder / "wnids.txt").write_text("\n".join(WNIDS) + "\n")
    for n, wnid in enumerate(WNIDS):
        images = folder / "train" / wnid / "images"
        images.mkdir(parents=True)
        Image.new("RGB", (64, 64), (n, 255 - n, 7)).save(images / f"{wnid}_0.JPEG", quality=100)
        (folder / "train" / wnid / f"{wnid}_boxes.txt").write_text(f"{wnid}_0.JPEG\t0\t0\t63\t63\n")
    for n in range(3):
        image = Image.new("L", (64, 64), 50 * n) if n == 0 else Image.new("RGB", (64, 64), (50 * n, 0, 0))
        image.save(folder / "val" / "images" / f"val_{n}.JPEG", quality=100)
    lines = [f"val_{n}.JPEG\t{WNIDS[10 * n]}\t0\t0\t62\t62\n" for n in (2, 0, 1)]
    (folder / "val" / "val_annotations.txt").write_text("".join(lines))
    return root


@pytest.fixture
def small(monkeypatch):
    monkeypatch.setattr(TinyImageNet, "train_samples", 200)
    monkeypatch.setattr(TinyImageNet, "test_samples", 3)


def test_tiny_imagenet_numbers_train_and_test_classes_alike(tiny_imagenet, small):
    arrays = TinyImageNet().load(tiny_imagenet, offline=True)
    rank = {wnid: index for index, wnid in enumerate(sorted(WNIDS))}
    assert arrays.train.images.shape == (200, 3, 64, 64) and arrays.train.images.dtype == torch.uint8
    assert arrays.train.labels.tolist() == list(range(200))
    assert arrays.test.labels.tolist() == [rank[WNIDS[20]], rank[WNIDS[0]], rank[WNIDS[10]]]
    red = torch.tensor([WNIDS.index(wnid) for wnid in sorted(WNIDS)])
    assert (arrays.train.images[:, 0].double().mean((1, 2)) - red).abs().max() <= 3  # JPEG is not exact
    assert (arrays.test.images[:, 0].double().mean((1, 2)) - torch.tensor([100, 0, 50])).abs().max() <= 3


def test_tiny_imagenet_is_refused_where_it_is_incomplete(tiny_imagenet, small, tmp_path, monkeypatch):
    annotations = "tiny-imagenet-200/val/val_annotations.txt"
    copy = tmp_path / "copy"
    copy.mkdir()
    (copy / "tiny-imagenet-200").mkdir()
    for part in ("train", "wnids.txt"):
        (copy / "tiny-imagenet-200" / part).symlink_to(tiny_imagenet / "tiny-imagenet-200" / part)
    (copy / "tiny-imagenet-200" / "val" / "images").mkdir(parents=True)
    with pytest.raises(DataError, match=f"not found: {copy / annotations}"):
        TinyImageNet().load(copy, offline=True)
    (copy / annotations).write_text(f"val_0.JPEG\t{WNIDS[0]}\t0\t0\t9\t9\n")
    with pytest.raises(DataError, match=r"is damaged or incomplete \(.*val_0.JPEG"):
        TinyImageNet().load(copy, offline=True)
    for line in ("val_0.JPEG\tn99999999\t0\t0\t9\t9\n", "val_0.JPEG\n"):
        (copy / annotations).write_text(line)
        with pytest.raises(DataError, match=r"damaged or incomplete \(val_annotations.txt, line 1: no known class"):
            TinyImageNet().load(copy, offline=True)
    (copy / "tiny-imagenet-200" / "wnids.txt").unlink()
    (copy / "tiny-imagenet-200" / "wnids.txt").write_text("n00000001\n")
    with pytest.raises(DataError, match=r"wnids.txt names 1 classes, train has 200"):
        TinyImageNet().load(copy, offline=True)
    monkeypatch.setattr(TinyImageNet, "train_samples", 100_000)
    with pytest.raises(DataError, match="the copy is incomplete"):
        TinyImageNet().load(tiny_imagenet, offline=True)


@pytest.mark.data
@pytest.mark.parametrize("name", ["cifar10", "cifar100", "mnist", "fashion-mnist", "tiny-imagenet"])
def test_mean_and_std_are_the_training_splits(name):
    root = os.environ.get("SPIKEBENCH_DATA")
    if not root:
        pytest.skip("SPIKEBENCH_DATA is not set")
    dataset = registry.create("dataset", name)
    try:
        dataset.prepare(Path(root), offline=True)
    except DataError as error:
        pytest.skip(str(error))
    arrays = dataset.load(Path(root), offline=True)
    samples, squares, count = torch.zeros(dataset.in_channels).double(), torch.zeros(dataset.in_channels).double(), 0
    for part in arrays.train.images.split(1000):
        pixels = part.double() / 255
        samples, squares = samples + pixels.sum((0, 2, 3)), squares + pixels.square().sum((0, 2, 3))
        count += pixels[:, 0].numel()
    mean = samples / count
    assert torch.allclose(arrays.mean.double(), mean, atol=6e-5)
    assert torch.allclose(arrays.std.double(), (squares / count - mean**2).sqrt(), atol=6e-5)
    assert len(arrays.train.labels.bincount().unique()) == 1 or name == "mnist"  # all but MNIST are balanced
