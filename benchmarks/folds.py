"""How often intervals of seeds with folds of their own hold what they should: `python benchmarks/coverage.py --folds`.

Real training on real images, with a truth that is known: of the digits a sample is drawn, and every image is mirrored
or not by the toss of a coin. One network sees the left half of the images, the other the right half in the mirror: both
are the same before the toss, so that their accuracies are equal on average, of any training samples; and yet a sample
that is hard for one of them is so in every seed. Each is a logistic regression of some of its pixels, drawn anew for
every network and seed (with all 32, seeds differ by their samples alone). The interval should hold 0.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from scipy import stats
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression

from bench.data.folds import FOLDS, partition
from bench.records.source import Fold
from bench.report.evidence.crossed import CONFIDENCE
from bench.report.evidence.resampled import resampled

SEEDS, SAMPLES, PIXELS, ENTRIES = (3, 5, 10, 20), (300, 900), (32, 16), 10
HALF = 32  # pixels of half an image of 8x8

Apart = NDArray[np.int64]  # [N]: what the one gets right of a seed's test samples minus what the other does
Images = NDArray[np.float64]


def suite(samples: int, pixels: int, rng: np.random.Generator) -> Iterator[tuple[Apart, float, Fold]]:
    """Yield of one suite seed by seed what sets two equal networks apart, the accuracy of both, and the fold."""
    images, labels = load_digits(return_X_y=True)
    drawn = rng.permutation(len(labels))[:samples]
    views, labels = _halves(images[drawn].reshape(-1, 8, 8) / 16, rng.random(samples) < 0.5), labels[drawn]
    for seed in range(max(SEEDS)):
        repetition, fold = divmod(seed, FOLDS)
        tested = np.array(partition(labels.tolist(), repetition)) == fold
        right = [_right(view[:, rng.permutation(HALF)[:pixels]], labels, tested) for view in views]
        apart = right[0].astype(np.int64) - right[1]
        trained = samples - len(apart)
        which = Fold(repetition=repetition, fold=fold, folds=FOLDS, train_samples=trained, test=str(seed))
        yield apart, float(np.mean(right)), which


def _halves(images: Images, mirrored: NDArray[np.bool_]) -> tuple[Images, Images]:
    """Return the left halves [N, 32] of images [N, 8, 8], some of them mirrored, and the right ones in the mirror."""
    tossed = np.where(mirrored[:, None, None], images[:, :, ::-1], images)
    return tossed[:, :, :4].reshape(-1, HALF), tossed[:, :, :3:-1].reshape(-1, HALF)


def _right(values: Images, labels: NDArray[np.int64], tested: NDArray[np.bool_]) -> NDArray[np.bool_]:
    model = LogisticRegression(tol=1e-2).fit(values[~tested], labels[~tested])
    return np.asarray(model.predict(values[tested]) == labels[tested])


def row(samples: int, pixels: int, suites: int) -> list[str]:
    """Return the mean accuracy, and for each number of seeds how often intervals hold 0.

    Those of one comparison, of one of nine (a suite of ten), and Student's without correction for the overlap.
    """
    rng, held = np.random.default_rng(1), np.zeros((3, len(SEEDS)))
    accuracies = []
    for _ in range(suites):
        apart, accuracy, folds = zip(*suite(samples, pixels, rng), strict=True)
        accuracies += accuracy
        for at, seeds in enumerate(SEEDS):
            by_seed = [float(each.mean()) for each in apart[:seeds]]
            distance = abs(np.mean(by_seed))
            for which, alpha in enumerate((1 - CONFIDENCE, (1 - CONFIDENCE) / (ENTRIES - 1))):
                found = resampled(apart[:seeds], folds[:seeds], alpha)
                assert found is not None
                held[which, at] += distance <= found.half_width(alpha)
            student = stats.t.isf((1 - CONFIDENCE) / 2, seeds - 1) * np.std(by_seed, ddof=1) / np.sqrt(seeds)
            held[2, at] += distance <= student
    return [f"{np.mean(accuracies):.3f}", *(f"{value / suites:.3f}" for value in held.flatten())]


def print_table(suites: int) -> None:
    """Print coverage of every setting, that of so many suites each."""
    kinds = ("95 %", f"{100 * (1 - (1 - CONFIDENCE) / (ENTRIES - 1)):.1f} %", "uncorrected, 95 %")
    columns = [f"{kind}, n = {seeds}" for kind in kinds for seeds in SEEDS]
    print(f"| samples | pixels | accuracy | {' | '.join(columns)} |")
    print("|---" * (3 + len(columns)) + "|")
    for samples, pixels in itertools.product(SAMPLES, PIXELS):
        print(f"| {samples} | {pixels} | {' | '.join(row(samples, pixels, suites))} |", flush=True)
