"""Test samples that follow from the seed: every sample is tested once in five seeds, everywhere alike."""

import hashlib
import itertools
import json
import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from support import ROOT
from support.runs import SUITE

from bench.data.base import Split
from bench.data.digits import Digits
from bench.data.folds import FOLDS, fold_of, mean_and_std, partition
from bench.errors import DataError
from bench.records.source import DataSource
from bench.runs.assembly import assemble
from bench.suite.load import load_suite


@pytest.fixture(scope="module")
def digits(tmp_path_factory):
    return Digits().load(tmp_path_factory.mktemp("data"), offline=True)


def numbered(arrays):
    """The same data with the number of each sample, training samples first, in place of its image."""
    numbers = torch.arange(len(arrays.train) + len(arrays.test)).view(-1, 1, 1, 1)
    train, test = numbers.split([len(arrays.train), len(arrays.test)])
    return replace(arrays, train=Split(train, arrays.train.labels), test=Split(test, arrays.test.labels))


def numbers_of(split):
    return split.images.flatten().tolist()


@pytest.mark.parametrize("repetition", [0, 1, 7])
def test_five_seeds_test_every_sample_once_and_train_on_all_others(digits, repetition):
    folds = [fold_of(numbered(digits), 0.0, FOLDS * repetition + fold) for fold in range(FOLDS)]
    tested = [numbers_of(each.test) for each in folds]
    assert sorted(itertools.chain(*tested)) == list(range(1797))
    assert [len(each) for each in tested] == [360, 360, 359, 359, 359]
    for each, test in zip(folds, tested, strict=True):
        assert sorted(numbers_of(each.train) + test) == list(range(1797))
        assert each.fold.train_samples == len(each.train) == 1797 - len(test)
    classes = np.array([each.test.labels.bincount(minlength=10).numpy() for each in folds])
    assert (classes.max(0) - classes.min(0) <= 1).all()
    assert [(each.fold.repetition, each.fold.fold, each.fold.folds) for each in folds] == [
        (repetition, fold, 5) for fold in range(FOLDS)
    ]


def test_a_partition_is_drawn_by_sha256_and_by_nothing_else():
    # By the definition, with no code of the product's: the order of a class is that of a hash of the sample's number.
    labels = [0, 1] * 8 + [2] * 7

    def place(sample):
        digest = hashlib.sha256(f"fold:3:{sample}".encode()).digest()
        return labels[sample], int.from_bytes(digest[:8], "big") >> 1

    dealt = sorted(range(len(labels)), key=place)
    expected = [dealt.index(sample) % 5 for sample in range(len(labels))]
    torch.manual_seed(1)
    np.random.seed(1)
    assert partition(labels, 3) == expected == partition(labels, 3)
    assert partition(labels, 4) != expected


def test_partitions_are_the_same_everywhere_and_from_version_to_version(digits):
    found = [fold_of(digits, 0.0, seed).fold.test for seed in (0, 1, 4, 5, 9)]
    assert found == ["e37e7d47fc5b", "8711c6a79256", "2b558d102736", "7339ed3bfc75", "1e5cdb0a4b1a"]


def test_partitions_are_independent_of_each_other(digits):
    # Of two partitions a fold of the one shares about a fifth of a fold of the other: 72 of 360.
    first, second = (set(numbers_of(fold_of(numbered(digits), 0.0, seed).test)) for seed in (0, 5))
    assert abs(len(first & second) - 72) < 4 * math.sqrt(360 * 0.2 * 0.8)


def test_what_is_held_out_is_neither_trained_on_nor_tested(digits):
    found = fold_of(numbered(digits), 0.1, 3)
    parts = [set(numbers_of(split)) for split in (found.train, found.validation, found.test)]
    assert sorted(set.union(*parts)) == list(range(1797)) and sum(map(len, parts)) == 1797
    assert found.fold.train_samples == len(found.train) == 1438 - len(found.validation)
    assert len(found.validation) == pytest.approx(144, abs=5)
    whole = fold_of(numbered(digits), 0.0, 3)
    assert found.fold.test == whole.fold.test and torch.equal(found.mean, whole.mean)


def test_mean_and_deviation_are_those_of_the_samples_that_train(digits):
    found = fold_of(digits, 0.0, 2)
    pixels = found.train.images.double() / 255
    assert found.mean.item() == pytest.approx(pixels.mean().item(), abs=5e-5)
    assert found.std.item() == pytest.approx(pixels.std(correction=0).item(), abs=5e-5)
    assert found.mean.dtype == torch.float32 and found.mean.item() != digits.mean.item()


def test_mean_and_deviation_by_hand():
    # Channels of 0 and 255, and of 51 alone: means 0.5 and 0.2, deviations 0.5 and none.
    images = torch.tensor([[[[0]], [[51]]], [[[255]], [[51]]]], dtype=torch.uint8).repeat(1500, 1, 1, 1)
    for each in (images, images.float() / 255):
        mean, std = mean_and_std(each)
        assert mean.tolist() == pytest.approx([0.5, 0.2]) and std.tolist() == [0.5, 1.0]


def test_what_has_no_folds_is_refused(digits):
    few = replace(digits, train=digits.train.subset(torch.arange(20)), test=digits.test.subset(torch.arange(5)))
    source = DataSource(recordings={"train": 9}, complete=9, files="")
    clips = replace(digits, train=Split(digits.train.images[:, None], digits.train.labels))
    for arrays, words in (
        (replace(digits, validation=digits.test), "a validation split of its own; leave test_split out"),
        (replace(digits, source=source), "recordings keep the split that they come with"),
        (clips, "recordings keep the split that they come with"),
        (few, "a class has 2 samples, fewer than the 5 folds"),
    ):
        with pytest.raises(DataError, match=f"test_split = 'folds': .*{words}"):
            fold_of(arrays, 0.0, 0)


def test_a_run_loads_the_fold_of_its_seed_and_one_without_folds_what_it_always_did(digits, tmp_path):
    suite = load_suite(ROOT / "suites/digits-folds.toml")
    found = {seed: assemble(suite.select("CLIF", seed)[0].spec).load(tmp_path, offline=True) for seed in (0, 6)}
    for seed, arrays in found.items():
        expected = fold_of(digits, 0.0, seed)
        assert torch.equal(arrays.test.images, expected.test.images) and arrays.fold == expected.fold
    fixed = assemble(SUITE.select("CLIF", 0)[0].spec).load(tmp_path, offline=True)
    assert torch.equal(fixed.test.images, digits.test.images) and fixed.fold is None
    assert torch.equal(fixed.mean, digits.mean)


def test_a_fixed_split_is_in_no_key_and_folds_are_in_every_one():
    committed = (ROOT / "reports/digits/records.jsonl").read_text("utf-8").splitlines()
    assert {run.key for run in SUITE.runs} == {json.loads(line)["key"] for line in committed}
    spec = SUITE.runs[0].spec
    assert "test_split" not in spec.to_json()["dataset"]
    written = spec.dataset.model_validate({"name": "digits", "test_split": "fixed"})
    assert spec.model_copy(update={"dataset": written}).key == spec.key
    folds = spec.dataset.model_validate({"name": "digits", "test_split": "folds"})
    assert spec.model_copy(update={"dataset": folds}).key != spec.key and folds.params == {}
