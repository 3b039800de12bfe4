"""When a suite that adds seeds may look at its results, and what chance of a false claim each look may spend."""

from __future__ import annotations

from dataclasses import dataclass

FEWEST_SEEDS = 3  # for any claim


@dataclass(frozen=True)
class Looks:
    """The numbers of seeds at which comparisons are decided, in order; the chance of error is shared among them.

    Whoever looks again and again at the same level finds a difference in the end, where there is none. Here each look
    spends a share of the whole chance of error, in proportion to the seeds that it adds: the shares sum to 1, so by
    Bonferroni's inequality all intervals of all looks hold at once with 95 %, however the looks depend on each other,
    and whenever one stops (Lan & DeMets 1983, "Discrete sequential boundaries for clinical trials", Biometrika 70, with
    a linear spending function and without the gain from the correlation of the looks).
    """

    seeds: tuple[int, ...]

    @classmethod
    def up_to(cls, first: int, most: int | None) -> Looks:
        """Return the looks from `first` seeds to `most`, each at half as many seeds again; only the first at None."""
        found = [first]
        while most is not None and found[-1] < most:
            found.append(min(most, found[-1] + max(1, found[-1] // 2)))
        return cls(tuple(found))

    @property
    def most(self) -> int:
        """The greatest number of seeds."""
        return self.seeds[-1]

    @property
    def repeated(self) -> bool:
        """Whether seeds are added at all."""
        return len(self.seeds) > 1

    def share(self, seeds: int) -> float:
        """Return the share of the chance of error that the look at so many seeds may spend.

        Raises ValueError for a number of seeds at which nobody looks.
        """
        at = self.seeds.index(seeds)
        return (seeds - (self.seeds[at - 1] if at else 0)) / self.most
