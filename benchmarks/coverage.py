"""How often the intervals of a report hold what they should, on simulated networks: `python benchmarks/coverage.py`.

Of S seeds and N test samples, a network is right about a sample with the chance of a logistic function of how hard the
sample is (sd 3, shared), how hard it is for this architecture (sd `taste`), and how well this seed went (sd `luck`).
Two networks of one accuracy: the interval should hold 0. A suite of ten: no difference should be established.
`--interactions`: four networks of one accuracy, the difference of two of them minus that of the other two.
`--unlucky`: seeds that are not normal, one in five of which loses 2 points; the interval should hold the mean of -0.4.
`--folds`: seeds with test samples of their own, by real training on digits, see `folds.py`; `--repeats 300` is minutes.
"""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from bench.report.evidence.crossed import CONFIDENCE, components
from bench.suite.looks import FEWEST_SEEDS

SEEDS, SAMPLES = (3, 5, 10), (100, 360, 1000, 10_000)
ACCURACIES, TASTES, LUCKS = (0.80, 0.93, 0.99), (0.3, 1.0), (0.0, 0.1, 0.3)
HARDNESS, ENTRIES = 3.0, 10

Correct = NDArray[np.bool_]  # [seeds, samples]


def offset(accuracy: float, taste: float) -> float:
    """Return the mean logit at which a network has this accuracy."""
    spread = np.random.default_rng(0).normal(0, np.hypot(HARDNESS, taste), 200_000)
    low, high = -20.0, 20.0
    for _ in range(50):
        middle = (low + high) / 2
        low, high = (middle, high) if (1 / (1 + np.exp(-middle - spread))).mean() < accuracy else (low, middle)
    return low


def suite(
    offsets: Sequence[float], seeds: int, samples: int, taste: float, luck: float, rng: np.random.Generator
) -> Iterator[Correct]:
    """Yield what each of some networks gets right, given the mean logit of each."""
    hard = rng.normal(0, HARDNESS, samples)
    for at in offsets:
        logit = at + hard + rng.normal(0, taste, samples) + rng.normal(0, luck, (seeds, 1))
        yield rng.random((seeds, samples)) < 1 / (1 + np.exp(-logit))


def apart(one: Correct, other: Correct) -> NDArray[np.int64]:
    """Return what only the one is right about as 1, what only the other is as -1."""
    return one.astype(np.int64) - other


def missed(apart: NDArray[np.int64], comparisons: int, size: int = 1) -> bool:
    """Whether the interval of a comparison, one of so many, leaves 0 out."""
    alpha = (1 - CONFIDENCE) / comparisons
    found = components(apart, alpha, size)
    assert found is not None and len(apart) >= FEWEST_SEEDS
    return bool(abs(apart.mean()) > found.half_width(alpha))


def unlucky_coverage(seeds: int, repeats: int, samples: int = 10_000) -> float:
    """Return how often the interval holds the true difference where one seed in five loses 2 points."""
    rng, held, alpha, accuracy, taste = np.random.default_rng(1), 0, 1 - CONFIDENCE, ACCURACIES[1], TASTES[0]
    at = offset(accuracy, taste)
    for _ in range(repeats):
        base, other = suite([at, at], seeds, samples, taste, 0.0, rng)
        unlucky, spoilt = rng.random((seeds, 1)) < 0.2, rng.random((seeds, samples)) < 0.02 / accuracy
        lost = apart(other & ~(unlucky & spoilt), base)
        found = components(lost, alpha)
        assert found is not None
        held += abs(lost.mean() + 0.2 * 0.02) <= found.half_width(alpha)
    return held / repeats


def interaction_coverage(accuracy: float, seeds: int, repeats: int, how: tuple[int, float, float]) -> float:
    """Return how often the interval of a difference of differences holds 0; how: samples, taste, luck."""
    at, rng, wrong = offset(accuracy, how[1]), np.random.default_rng(1), 0
    for _ in range(repeats):
        first, second, third, fourth = suite([at] * 4, seeds, *how, rng)
        wrong += missed(apart(first, second) - apart(third, fourth), 1, 2)
    return 1 - wrong / repeats


def print_interactions(repeats: int) -> None:
    """Print the coverage of differences of differences in every setting."""
    print("| accuracy | taste | luck | N | n = 3 | n = 5 | n = 10 |")
    print("|---|---|---|---|---|---|---|")
    for accuracy, taste, luck, samples in itertools.product(ACCURACIES, TASTES, LUCKS, SAMPLES):
        found = (interaction_coverage(accuracy, seeds, repeats, (samples, taste, luck)) for seeds in SEEDS)
        cells = " | ".join(f"{each:.3f}" for each in found)
        print(f"| {accuracy} | {taste} | {luck} | {samples:,} | {cells} |", flush=True)


def main() -> None:
    """Print coverage and error rate of every setting."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=2000)
    parser.add_argument("--suites", type=int, default=400)
    parser.add_argument("--unlucky", action="store_true")
    parser.add_argument("--folds", action="store_true")
    parser.add_argument("--interactions", action="store_true")
    given = parser.parse_args()
    if given.interactions:
        print_interactions(given.repeats)
        return
    if given.folds:
        from folds import print_table  # which imports torch and scikit-learn

        print_table(given.repeats)
        return
    if given.unlucky:
        for seeds in SEEDS:
            print(f"n = {seeds}: {unlucky_coverage(seeds, given.repeats):.3f}", flush=True)
        return
    print("| accuracy | taste | luck | N | n = 3 | n = 5 | n = 10 | false in ten, n = 3 | n = 5 | n = 10 |")
    print("|---|---|---|---|---|---|---|---|---|---|")
    for accuracy, taste, luck, samples in itertools.product(ACCURACIES, TASTES, LUCKS, SAMPLES):
        at, rng = offset(accuracy, taste), np.random.default_rng(1)
        covered, false = [], []
        for seeds in SEEDS:
            how = (seeds, samples, taste, luck, rng)
            wrong = 0
            for _ in range(given.repeats):
                base, other = suite([at] * 2, *how)
                wrong += missed(apart(other, base), 1)
            covered.append(f"{1 - wrong / given.repeats:.3f}")
            wrong = 0
            for _ in range(given.suites):
                base, *others = suite([at] * ENTRIES, *how)
                wrong += any(missed(apart(other, base), len(others)) for other in others)
            false.append(f"{wrong / given.suites:.3f}")
        print(f"| {accuracy} | {taste} | {luck} | {samples:,} | {' | '.join(covered + false)} |", flush=True)


if __name__ == "__main__":
    main()
