"""What more evidence would establish, were the variances that were found the true ones: from its documentation."""

import functools

import numpy as np
from scipy import optimize, stats

from support.crossed_by_hand import mean_squares
from support.recomputed import Apart, of_folds, tested, verdict
from support.recomputed_cells import fixed
from support.resampled_by_hand import squares_of

POWER, MOST_SEEDS, SEEDS_WITH_MORE_SAMPLES, MOST_TIMES = 0.8, 100, (10, 20, 50, 100), 2**20
LIKELY = (np.arange(200) + 0.5) / 200  # equally likely


def compare_power(reckoned):
    """Compare the table of what is detectable and what would settle a comparison; there is none with one seed."""
    for table in reckoned.page["Accuracy compared",]:
        if table.header[1].startswith("detectable"):
            _compare(reckoned, table)


def _compare(reckoned, table):
    alpha = 0.05 / len(reckoned.contrasts)
    found = [pair for pair in reckoned.contrasts if reckoned.differences[pair[0].label, pair[1].label][3]]
    if [row[0] for row in table.rows] != [f"{one.label} - {other.label}" for one, other in found]:
        reckoned.checked.disagreements.append("rows of what would settle a comparison")
    for at, (one, other) in enumerate(found):
        n, _, _, ends, _ = reckoned.differences[one.label, other.label]
        seeds = [s for s in one.runs if s in other.runs and tested(one.runs[s]) == tested(other.runs[s])]
        each = " each" if tested(one.runs[seeds[0]]) else ""
        size = 1 + isinstance(one, Apart)
        if each:
            mean, squares = squares_of(*of_folds(one, other, seeds), len(reckoned.contrasts), size)
        else:
            bits = [np.stack([row.bits(seed) for seed in seeds]) for row in (one, other)]
            mean, squares = mean_squares(*bits, len(reckoned.contrasts), size)
        samples = round(np.mean([len(one.bits(seed)) for seed in seeds]))
        reckoned.checked.cell(table, at, 1, "{}", fixed(detectable(squares, alpha, size)))
        reckoned.checked.cell(table, at, 2, "{}", fixed(detectable(squares.were(MOST_SEEDS), alpha, size)))
        settled = verdict(n, ends, reckoned.margin) != "not established"
        words = "settled" if settled else would_settle(mean, squares, alpha, reckoned.margin / 100, samples)
        words += each if "seeds of about" in words else ""
        reckoned.checked.words(table, at, 3, words)


@functools.cache
def likely(degrees):
    """How large the mean square of seeds may be found, as a multiple of the true one."""
    return stats.chi2.ppf(LIKELY, degrees) / degrees


def chances(squares, alpha):
    """The standard deviation of the mean difference, and half widths that are equally likely."""
    return squares.error, squares.half(alpha, likely(squares.seeds - 1))


def of_direction(true, error, halves):
    """The chance that a true difference is found on its own side."""
    return stats.norm.cdf((abs(true) - halves) / error).mean()


def of_equality(true, margin, error, halves):
    """The chance that the interval lies within the margin."""
    ends = stats.norm.cdf((margin - halves - abs(true)) / error) - stats.norm.cdf((halves - margin - abs(true)) / error)
    return np.maximum(0.0, ends).mean()


def detectable(squares, alpha, size=1):
    """The true difference in points that is established with a chance of 80 %, of three seeds at least, at most 100."""
    if squares.seeds < 3:
        return None
    found = chances(squares, alpha)
    if of_direction(size, *found) < POWER:
        return None
    return 100 * optimize.brentq(lambda true: of_direction(true, *found) - POWER, 0.0, size, xtol=1e-12)


def would_settle(mean, squares, alpha, margin, samples):
    """The fewest seeds that would settle a comparison, else how many test samples with the fewest seeds tried."""

    def settled(seeds, times=1):
        found = chances(squares.were(seeds, times), alpha)
        return max(of_direction(mean, *found), of_equality(mean, margin, *found)) >= POWER

    for seeds in range(max(3, squares.seeds + 1), MOST_SEEDS + 1):
        if settled(seeds):
            return f"{seeds} seeds"
    times = 2
    while times < MOST_TIMES:
        for seeds in SEEDS_WITH_MORE_SAMPLES:
            if seeds >= squares.seeds and settled(seeds, times):
                return f"not {MOST_SEEDS} seeds of these test samples; {seeds} seeds of about {times * samples:,}"
        times *= 2
    return f"not {MOST_SEEDS} seeds, of however many test samples"
