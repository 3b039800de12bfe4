"""The data set contract: what is held out for validation, and what data is refused."""

from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.data.base import Arrays, Dataset, Split, check_arrays, check_labels, hold_out, stratified
from bench.errors import DataError


def labelled(labels):
    labels = torch.as_tensor(labels, dtype=torch.int64)
    images = torch.arange(len(labels), dtype=torch.uint8).view(-1, 1, 1, 1).expand(-1, 1, 2, 3)
    return Split(images, labels)


def arrays(labels, classes=3):
    train = labelled(labels)
    return Arrays(train, labelled([0, 1, 2]), None, classes, torch.tensor([0.5]), torch.tensor([0.5]))


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 3), min_size=1, max_size=60), st.floats(0, 0.99), st.integers(0, 99))
def test_stratified_keeps_every_class_and_loses_no_sample(labels, fraction, seed):
    train, held = stratified(torch.tensor(labels), fraction, seed)
    assert sorted([*train.tolist(), *held.tolist()]) == list(range(len(labels)))
    assert train.tolist() == sorted(train.tolist()) and held.tolist() == sorted(held.tolist())
    for label in set(labels):
        count = labels.count(label)
        assert sum(labels[i] == label for i in held) == min(round(fraction * count), count - 1)


def test_hold_out_takes_the_same_share_of_each_class():
    whole = arrays([0] * 100 + [1] * 50 + [2] * 10)
    parts = hold_out(whole, 0.2, seed=0)
    assert parts.validation.labels.bincount().tolist() == [20, 10, 2]
    assert parts.train.labels.bincount().tolist() == [80, 40, 8]
    for split in (parts.train, parts.validation):  # image n holds n, whose label is known
        assert torch.equal(whole.train.labels[split.images[:, 0, 0, 0].long()], split.labels)
    assert parts.test is whole.test and parts.classes == 3 and parts.image_size == (2, 3)


def test_hold_out_depends_on_the_seed_alone():
    whole = arrays([0, 1, 2] * 40)
    chosen = []
    for seed, state in ((0, 1), (0, 2), (1, 1)):
        torch.manual_seed(state)
        chosen.append(hold_out(whole, 0.25, seed).validation.images[:, 0, 0, 0].tolist())
    assert chosen[0] == chosen[1] != chosen[2]


def test_nothing_is_held_out_at_0():
    whole = arrays([0, 1, 2])
    assert hold_out(whole, 0.0, 0) is whole and whole.validation is None


def test_a_fraction_too_small_to_hold_out_one_sample_is_refused():
    with pytest.raises(DataError, match=r"0.01 of 9 training samples holds nothing out.*above 0.12"):
        hold_out(arrays([0] * 2 + [1] * 4 + [2] * 3), 0.01, 0)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([], "d: no samples"),
        ([0, 3], "d: label 3 is out of range; 3 classes are numbered 0 to 2"),
        ([0, -1], "d: label -1 is out of range"),
        ([1, 1, 1], "d: all 3 samples are of class 1"),
    ],
)
def test_labels_that_cannot_be_trained_on_are_refused(labels, message):
    with pytest.raises(DataError, match=message):
        check_labels(torch.tensor(labels, dtype=torch.int64), 3, "d")


def test_good_labels_pass():
    check_labels(torch.tensor([2, 0]), 3, "d")


class Tiny(Dataset):
    name = "tiny"
    in_channels, classes, image_size = 1, 3, (2, 3)
    train_samples, test_samples = 4, 2
    mean, std = (0.5,), (0.25,)


def test_arrays_are_what_the_class_says():
    found = Tiny().arrays(labelled([0, 1, 2, 0]), labelled([0, 1]), "folder")
    assert (found.in_channels, found.image_size, found.classes, found.input_kind) == (1, (2, 3), 3, "analog")
    assert (found.mean.tolist(), found.std.tolist(), found.validation) == ([0.5], [0.25], None)


def test_an_incomplete_copy_is_refused():
    with pytest.raises(
        DataError, match=r"folder \(test split\): images \[3, 1, 2, 3\] and 3 labels where tiny has.*\[2"
    ):
        Tiny().arrays(labelled([0, 1, 2, 0]), labelled([0, 1, 2]), "folder")
    with pytest.raises(DataError, match=r"folder \(train split\): label 3"):
        Tiny().arrays(labelled([0, 1, 2, 3]), labelled([0, 1]), "folder")


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"test": labelled([])}, r"where \(test split\): no samples"),
        ({"train": labelled([2, 2, 2])}, r"where \(train split\): all 3 samples are of class 2"),
        ({"validation": labelled([0, 3])}, r"where \(validation split\): label 3 is out of range; 3 classes"),
        ({"train": labelled([0, -1])}, r"where \(train split\): label -1 is out of range"),
        ({"train": Split(labelled([0, 1]).images, torch.tensor([0, 1, 2]))}, r"where \(train split\): 2 images with 3"),
    ],
)
def test_arrays_that_teach_or_measure_nothing_are_refused(changes, expected):
    check_arrays(arrays([0, 1, 2]), "where")
    with pytest.raises(DataError, match=expected):
        check_arrays(replace(arrays([0, 1, 2]), **changes), "where")
