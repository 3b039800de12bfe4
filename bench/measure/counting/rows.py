"""How often a sample passes: whole numbers where all samples do, fractions where some take another branch."""

from __future__ import annotations


def per_sample(passes: int, samples: int) -> int | float:
    """Return how many passes a sample makes.

    >>> per_sample(6, 3), per_sample(4, 3)
    (2, 1.3333333333333333)
    """
    return passes // samples if passes % samples == 0 else passes / samples
