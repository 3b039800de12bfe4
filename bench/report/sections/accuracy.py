"""Accuracy in detail: paired tests against the baseline, after each timestep, and sample by sample."""

from __future__ import annotations

from bench.records.correct import unpack_correct
from bench.report.evidence.comparison import Comparison, Entry, timestep_summary
from bench.report.evidence.statistics import (
    McNemar,
    PairedDifference,
    Summary,
    half_width_in_sd,
    judge,
    mcnemar,
    summarise,
)
from bench.report.formats.text import NOT_AVAILABLE, escape, fixed, p_value, table


def mean_and_sd(summary: Summary, decimals: int = 2) -> str:
    """Return `mean ± sd` of a summary; no plus-minus at n = 1; n/a where nothing was measured."""
    if summary.sd is None:
        return fixed(summary.mean, decimals)
    return f"{fixed(summary.mean, decimals)} ± {fixed(summary.sd, decimals)}"


def difference_cell(difference: PairedDifference) -> str:
    """Return a paired difference in points with its 95 % interval, where it has one."""
    if difference.low is None or difference.high is None:
        return fixed(difference.mean, sign=True)
    low, high = fixed(difference.low, sign=True), fixed(difference.high, sign=True)
    return f"{fixed(difference.mean, sign=True)} ({low} to {high})"


def paired_tests(comparison: Comparison) -> str:
    """Return the table of paired differences with intervals, p values and what they establish."""
    if not comparison.others:
        return ""
    margin, base = comparison.suite.spec.margin_points, escape(comparison.baseline.label)
    rows = []
    for entry in comparison.others:
        difference = comparison.differences[entry.label]
        low, high = fixed(difference.low, sign=True), fixed(difference.high, sign=True)
        rows.append(
            [
                escape(entry.label),
                str(difference.n),
                fixed(difference.mean, sign=True),
                fixed(difference.sd),
                NOT_AVAILABLE if difference.low is None else f"{low} to {high}",
                p_value(difference.p),
                p_value(difference.p_holm),
                established(difference, margin),
            ]
        )
    header = ["entry", "n", f"difference to {base}, points ↑", "sd", "95 % interval", "p", "p (Holm)", "established"]
    notes = (
        "Last-epoch test accuracy, paired by seed: Student's paired t test, p values corrected by Holm's rule for the "
        f"number of entries. Each interval is for one comparison; the intervals are not simultaneous. "
        "Better or worse needs at least three seeds, an sd above 0 and an interval that excludes 0; as accurate needs "
        f"the interval inside ± {margin:g} points."
    )
    return f"{notes}{_width_note(comparison)}\n\n{table(header, rows)}"


def established(difference: PairedDifference, margin_points: float) -> str:
    """Return what a paired difference establishes in the words of the paired table."""
    found = judge(difference, margin_points)
    words = [found.direction] if found.direction else []
    words += ["as accurate"] if found.as_accurate else []
    return ", but ".join(words) if words else f"not established at n = {difference.n}"


def _width_note(comparison: Comparison) -> str:
    sizes = sorted({difference.n for difference in comparison.differences.values() if difference.low is not None})
    return "".join(
        f" At n = {n} the half-width of an interval is {half_width_in_sd(n):.1f} sd of the differences." for n in sizes
    )


def held_out(comparison: Comparison) -> str:
    """Return the accuracy on the part of training that was held out, after the last epoch; empty where none was."""
    rows = []
    for entry in comparison.trained:
        found = [r.history[-1].validation_accuracy_fraction for r in entry.done if r.history]
        percent = [100 * fraction for fraction in found if fraction is not None]
        if percent:
            rows.append([escape(entry.label), str(len(percent)), mean_and_sd(summarise(percent))])
    return table(["entry", "n", "held-out accuracy, % ↑"], rows) if rows else ""


def by_timestep(comparison: Comparison) -> str:
    """Return the accuracy when outputs are averaged over the first t timesteps only, as the mean over seeds."""
    longest = max(
        (min(len(r.accuracy_by_timestep), e.spec.timesteps) for e in comparison.entries for r in e.done), default=0
    )
    if not longest:
        return ""
    rows = []
    for entry in comparison.entries:
        cells = [mean_and_sd(timestep_summary(entry, t)) for t in range(min(longest, entry.spec.timesteps))]
        rows.append([escape(entry.label), *cells, *[""] * (longest - len(cells))])
    return table(["entry, accuracy % ↑", *(f"t = {t + 1}" for t in range(longest))], rows)


def sample_by_sample(comparison: Comparison) -> str:
    """Return McNemar's exact test of each entry against the baseline within each seed both finished."""
    rows = []
    for entry in comparison.others:
        for seed, found in mcnemar_by_seed(comparison, entry).items():
            cells = [str(found.only_baseline), str(found.only_entry), p_value(found.p)]
            rows.append([escape(entry.label), str(seed), *cells])
    if not rows:
        return ""
    base = escape(comparison.baseline.label)
    return table(["entry", "seed", f"only {base} right", "only the entry right", "p (exact)"], rows)


def mcnemar_by_seed(comparison: Comparison, entry: Entry) -> dict[int, McNemar]:
    """Return McNemar's test for each seed whose two runs recorded the same number of test samples."""
    found = {}
    for base, other in zip(comparison.baseline.slots, entry.slots, strict=True):
        one, two = base.done, other.done
        if one is None or two is None or one.correct is None or two.correct is None:
            continue
        if one.test_samples is None or one.test_samples != two.test_samples:
            continue
        found[other.run.seed] = mcnemar(
            unpack_correct(one.correct, one.test_samples), unpack_correct(two.correct, one.test_samples)
        )
    return found
