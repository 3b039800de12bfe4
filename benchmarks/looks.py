"""How often adding seeds until all is settled ends in a false claim: `python benchmarks/looks.py`.

Ten networks of one accuracy, simulated as in `coverage.py`, are looked at with 3, 4, 6, 9, 13, 19 and 20 seeds (or from
5 on), and seeds are added while a comparison with the first of them is open. Beside it, what happens to somebody who
looks as often without correction for the looks, and how often a network that is worse is found so, after how many
seeds.
"""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from coverage import ACCURACIES, ENTRIES, LUCKS, Correct, offset, suite

from bench.report.evidence.crossed import difference
from bench.report.evidence.decisions import judge
from bench.suite.looks import Looks

MARGIN, MOST, FIRST, SAMPLES, TASTE = 0.5, 20, (3, 5), (360, 10_000), 1.0


@dataclass(frozen=True)
class Ended:
    """How some looks ended: whether one claimed a direction, all was settled, after how many seeds."""

    claimed: bool
    settled: bool
    seeds: int


def sequence(networks: Sequence[Correct], looks: Looks, corrected: bool) -> Ended:
    """Look at the first network against all others with more and more seeds until all is settled."""
    claimed = False
    for seeds in looks.seeds:
        share = looks.share(seeds) if corrected else 1.0
        base, *others = (dict(enumerate(network[:seeds])) for network in networks)
        verdicts = [judge(difference(other, base, len(others), share), MARGIN) for other in others]
        claimed = claimed or any(verdict.direction is not None for verdict in verdicts)
        if all(verdict.established for verdict in verdicts):
            return Ended(claimed, True, seeds)
    return Ended(claimed, False, looks.most)


def main() -> None:
    """Print error rates and what is settled, of every setting."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--suites", type=int, default=400)
    given = parser.parse_args()
    print(
        "| first look | accuracy | luck | N | false, corrected | false, not corrected | settled | mean seeds |", end=""
    )
    print(" 2 points worse found | mean seeds |")
    print("|---|---|---|---|---|---|---|---|---|---|")
    for first, accuracy, luck, samples in itertools.product(FIRST, ACCURACIES, LUCKS, SAMPLES):
        looks, rng = Looks.up_to(first, MOST), np.random.default_rng(1)
        at, worse = offset(accuracy, TASTE), offset(accuracy - 0.02, TASTE)
        how = (MOST, samples, TASTE, luck, rng)
        equal = [list(suite([at] * ENTRIES, *how)) for _ in range(given.suites)]
        ends = [sequence(networks, looks, corrected=True) for networks in equal]
        careless = [sequence(networks, looks, corrected=False) for networks in equal]
        apart = [sequence(list(suite((at, worse), *how)), looks, corrected=True) for _ in range(given.suites)]
        rates = [np.mean([end.claimed for end in each]) for each in (ends, careless)]
        row = [first, accuracy, luck, f"{samples:,}", *(f"{rate:.3f}" for rate in rates)]
        row += [f"{np.mean([end.settled for end in ends]):.2f}", f"{np.mean([end.seeds for end in ends]):.1f}"]
        row += [f"{np.mean([end.claimed for end in apart]):.2f}", f"{np.mean([end.seeds for end in apart]):.1f}"]
        print(f"| {' | '.join(map(str, row))} |", flush=True)


if __name__ == "__main__":
    main()
