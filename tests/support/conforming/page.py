"""The page that says how our energy models agree with others': a table of all, and the causes of each."""

import math

from scipy.stats import spearmanr

KINDS = {"spikes": "spikes come in", "images": "images come in", "ann": "ANN"}
# Of the residual: relative to theirs, sums of some hundred terms in 53 bits that can cancel to a hundredth.
ROUNDING = 1e-12


def page(found, versions, drawn, date):
    """Return the page in Markdown.

    found: [(Row, [Comparison])].  versions: program -> version, or why it took no part.  drawn: how many networks, and
    how many for the simulator.
    """
    took_part = "; ".join(f"{name} {version}" for name, version in versions.items())
    return "\n".join(
        [
            "# Our energy models beside those of others",
            "",
            f"Written by `python benchmarks/conformance.py --networks {drawn[0]} --chips {drawn[1]}` on {date},",
            f"with {took_part}.",
            "",
            *INTRODUCTION,
            "",
            "## How much they agree",
            "",
            "Theirs / ours, the energy per sample; residual: what no cause explains, as a share of theirs. Rank",
            "correlation is Spearman's, over the networks.",
            "",
            *overview(found),
            "",
            "## Theirs / ours by what comes in",
            "",
            *by_kind(found),
            "",
            "## What the differences are made of",
            "",
            "What adopting the other's convention in one point adds to our number, in percent of ours: mean over the",
            "networks, lowest and highest. The causes of a row, added to 100 %, are theirs / ours, network by network.",
            "",
            *(line for row, some in found for line in causes(row, some)),
        ]
    )


INTRODUCTION = (
    "Every network is a random chain of convolutions (strides 1 and 2, with and without padding), linear layers and IF",
    "or LIF neurons, soft or hard reset, T from 1 to 8, batches of 1 to 3 samples, fed with spikes of 2 to 60 % or",
    "with images; some are ANNs. Ours are the counts of `bench.count_operations` under a table; theirs is what their",
    "program says of the same network and inputs, which is checked to spike alike. Qualia (AGPL-3.0) is not run: the",
    "formulas that it documents are written out in `tests/support/conforming/qualia.py`. SANA-FE (GPL-3.0), in a",
    "process of its own, simulates networks that fit its chip: spikes come in, LIF with hard reset, no bias, one",
    "sample. `tests/crosscheck/test_conformance.py` holds every residual at 0 to rounding. SpikeSim and NeuroMC model",
    "other machines than any table of ours does, so that their causes are no disagreement about a formula.",
)


def table(head, rows, words=3):
    """Lines of a Markdown table; the columns behind the first `words` are numbers."""
    line = "|".join(["", *(":--" if index < words else "--:" for index in range(len(head))), ""])
    return [f"| {' | '.join(head)} |", line, *(f"| {' | '.join(row)} |" for row in rows)]


def overview(found):
    """One row a comparison."""
    head = ("their program", "their model", "our table", "networks", "lowest", "geometric mean", "highest")
    rows = [
        (row.peer, row.model, f"`{row.table}`", str(len(some)), *ratios(some), f"{correlation(some):.3f}", worst(some))
        for row, some in found
    ]
    return table((*head, "rank correlation", "largest residual"), rows)


def by_kind(found):
    """The geometric mean of the ratio for each kind of network, with how many there are."""
    rows = []
    for row, some in found:
        kinds = [[one for one in some if one.kind == kind] for kind in KINDS]
        means = [f"{ratios(part)[1]} ({len(part)})" if part else "none" for part in kinds]
        rows.append((row.peer, row.model, f"`{row.table}`", *means))
    return table(("their program", "their model", "our table", *KINDS.values()), rows)


def ratios(some):
    """Lowest, geometric mean and highest of theirs / ours, as words."""
    found = [one.theirs / one.ours for one in some]
    mean = math.exp(math.fsum(map(math.log, found)) / len(found))
    return tuple(f"{ratio:.3g}" for ratio in (min(found), mean, max(found)))


def correlation(some):
    """Spearman's rank correlation of ours and theirs; nan of fewer than three networks."""
    if len(some) < 3:
        return math.nan
    return float(spearmanr([one.ours for one in some], [one.theirs for one in some]).statistic)


def worst(some):
    """The largest residual in words: 0 where it is rounding."""
    largest = max(abs(one.residual) for one in some)
    return f"0 (below {ROUNDING:g})" if largest < ROUNDING else f"{largest:.2g}"


def causes(row, some):
    """The causes of one comparison."""
    rows = []
    for name in some[0].causes:
        added = [100 * one.causes[name] / one.ours if one.changed_by(name) else 0.0 for one in some]
        met = sum(one.changed_by(name) for one in some)
        mean = math.fsum(added) / len(added)
        rows.append((name, str(met), *(f"{part:+.3g}" if part else "0" for part in (mean, min(added), max(added)))))
    total = [100 * (one.theirs / one.ours - 1) for one in some]
    mean = math.fsum(total) / len(total)
    rows.append(("**together: theirs - ours**", str(len(some)), *(f"{x:+.3g}" for x in (mean, min(total), max(total)))))
    head = ("cause", "networks that it changes", "mean, %", "lowest, %", "highest, %")
    lines = table(head, rows, words=1)
    return [f"### {row.peer}, {row.model}, against `{row.table}`", "", *lines, ""]
