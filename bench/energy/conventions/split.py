"""Why a convention's number differs from ours: one thing changed at a time, so that the causes add up exactly."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise

from bench.energy.conventions.base import Estimate, counted
from bench.energy.costs import times
from bench.energy.estimate import EnergyBreakdown
from bench.energy.hybrid import synaptic_prices
from bench.records.counts import Counts


@dataclass(frozen=True)
class Split:
    """The difference between a convention's energy and ours, picojoule per sample, by cause and in their order.

    Exact rationals of the two numbers, so that the causes add up to the difference whatever the order.
    """

    causes: dict[str, Fraction]

    @property
    def difference(self) -> Fraction:
        """The convention's number, or its lower bound, minus ours."""
        return sum(self.causes.values(), Fraction(0))


def split(counts: Counts, ours: EnergyBreakdown, theirs: Estimate) -> Split | None:
    """Go from our total to the convention's number; None where either is none.

    First every part of ours that is no synapse is left out, then the operations that the table's rule charges become
    those counted, then MACs and accumulates get the convention's prices; its own steps follow.
    """
    total = ours.total_pj_per_sample
    if total is None or not theirs.steps:
        return None
    rungs = [("", Fraction(total))]
    for name, part in ours.parts.items():
        if name != "synapse":
            rungs.append((f"without our {name}", rungs[-1][1] - Fraction(part or 0.0)))
    macs, acs = (_counted(counts, operation) for operation in ("mac", "ac"))
    prices = synaptic_prices(counts, ours.table)
    our_macs, our_acs = (times(n, prices.get(op)) for n, op in ((macs, "mac"), (acs, "ac")))
    if our_macs is None or our_acs is None:
        return None
    rungs.append(("rule of our table", Fraction(our_macs) + Fraction(our_acs)))
    rungs.append(("price of a MAC", Fraction(theirs.prices.of("mac", macs)) + Fraction(our_acs)))
    first, *rest = theirs.steps
    rungs.append(("price of an AC", Fraction(first.pj_per_sample)))
    rungs += [(step.cause, Fraction(step.pj_per_sample)) for step in rest]
    return Split({cause: after - before for (_, before), (cause, after) in pairwise(rungs)})


def _counted(counts: Counts, operation: str) -> float:
    return sum((count for kind, count in map(counted, counts.layers) if kind == operation), 0.0)
