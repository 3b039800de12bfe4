"""The sentences at the top of a report, generated from the numbers and honest whichever way they fall."""

from __future__ import annotations

from bench.energy.quantised import activation_bits
from bench.report.evidence.comparison import Comparison, Entry
from bench.report.evidence.pricing import DENSE, ZERO_SKIPPING, Priced
from bench.report.evidence.statistics import PairedDifference, judge
from bench.report.formats.text import bullets, escape, fixed, joined, number, ratio
from bench.report.sections.match import unmatched_runs


def verdict(comparison: Comparison, priced: Priced) -> str:
    """Return one bullet per entry but the baseline: accuracy, energy under the first table, and what is wrong."""
    if not any(entry.done for entry in comparison.entries):
        return "No run of this suite has finished: there is nothing to compare yet."
    if not comparison.others:
        return "The suite has no entry beside its baseline: there is nothing to compare."
    if not comparison.baseline.done:
        return f"No run of the baseline {_bold(comparison.baseline)} has finished: nothing can be compared with it."
    return bullets(_about(comparison, priced, entry) for entry in comparison.others)


def _about(comparison: Comparison, priced: Priced, entry: Entry) -> str:
    if not entry.done:
        statuses = joined(slot.status for slot in entry.slots)
        return f"{_bold(entry)}: no run has finished ({statuses}); nothing can be said about it."
    difference = comparison.differences[entry.label]
    sentences = [
        f"{_bold(entry)} {accuracy_clause(comparison, difference)}.",
        energy_sentence(comparison, priced, entry),
        *sigmoid_sentence(comparison, priced, entry),
        *bit_matched_sentence(comparison, priced, entry),
        *_caveats(comparison, entry),
    ]
    return " ".join(sentences)


def accuracy_clause(comparison: Comparison, difference: PairedDifference) -> str:
    """Say what is established about an entry's accuracy, continuing a sentence that begins with its label."""
    base, margin = escape(comparison.baseline.label), comparison.suite.spec.margin_points
    if difference.mean is None:
        return f"shares no finished seed with {base}: its accuracy cannot be compared"
    found = judge(difference, margin)
    numbers = f"{fixed(difference.mean, sign=True)} points ({interval_words(difference)})"
    within = f" within {margin:g} points"
    if found.direction == "better":
        return f"is more accurate than {base}{f', though equal{within}' if found.as_accurate else ''}: {numbers}"
    if found.direction == "worse":
        return f"is less accurate than {base}{f', though equal{within}' if found.as_accurate else ''}: {numbers}"
    if found.as_accurate:
        return f"is as accurate as {base}{within}: {numbers}"
    return f"against {base}: a difference in accuracy is not established at n = {difference.n}: {numbers}"


def interval_words(difference: PairedDifference) -> str:
    """Return the interval and n of a paired difference, or why there is no interval."""
    n = f"n = {difference.n}"
    if difference.low is None or difference.high is None:
        why = "no interval with one seed" if difference.n < 2 else "no interval: the same difference for every seed"
        return f"{why}, {n}"
    return f"95 % interval {fixed(difference.low, sign=True)} to {fixed(difference.high, sign=True)}, {n}"


def energy_sentence(comparison: Comparison, priced: Priced, entry: Entry) -> str:
    """Compare the estimated energy of an entry with the baseline's, dense and zero-skipping, under one table."""
    base, where = escape(comparison.baseline.label), f"Under {escape(priced.name)}"
    dense = priced.ratio(entry, "total", DENSE)
    skipping = priced.ratio(entry, "total", ZERO_SKIPPING)
    synapse = priced.ratio(entry, "synapse", DENSE)
    synapse_skipping = priced.ratio(entry, "synapse", ZERO_SKIPPING)
    only = f"synapses alone: {_times(synapse)} and {_times(synapse_skipping)}"
    if dense is None or skipping is None:
        return f"{where} its total energy against {base} is n/a: {_why_no_total(priced, entry)} ({only})."
    return (
        f"{where} it is estimated to take {_more_or_less(dense, skipping, base)}: {_times(dense)} the energy per "
        f"sample of {base} computed densely, {_times(skipping)} with zeros skipped on both sides ({only})."
    )


def _why_no_total(priced: Priced, entry: Entry) -> str:
    reasons = []
    for label in (entry.label, priced.baseline.label):
        breakdowns = priced.breakdowns[label]
        if any(breakdown.unpriced for breakdown in breakdowns):
            reasons.append(f"not every operation of {escape(label)} has a price there")
        if any(breakdown.not_counted for breakdown in breakdowns) or not breakdowns:
            reasons.append(f"not all work of {escape(label)} was counted")
    return " and ".join(reasons)


def sigmoid_sentence(comparison: Comparison, priced: Priced, entry: Entry) -> list[str]:
    """Say how far the assumed price of a sigmoid moves an entry's dense ratio; nothing where it does not move it."""
    base = priced.mean(comparison.baseline, "total", DENSE)
    free = ratio(priced.of(entry, lambda breakdown: breakdown.total_sigmoid_free_pj_per_sample).mean, base)
    tenfold = ratio(priced.of(entry, lambda breakdown: breakdown.total_sigmoid_tenfold_pj_per_sample).mean, base)
    if free == tenfold:
        return []
    return [
        "A sigmoid's price is an assumption: "
        f"at 0 and at 10 times it, the dense figure is {_times(free)} and {_times(tenfold)}."
    ]


def bit_matched_sentence(comparison: Comparison, priced: Priced, entry: Entry) -> list[str]:
    """Compare the dense figure with the baseline's at the activation bits that T timesteps need, where it has one."""
    timesteps = entry.spec.timesteps
    found = ratio(priced.mean(entry, "total", DENSE), priced.quantised_baseline(timesteps, DENSE))
    if found is None or not any(count.spiking for record in entry.done for count in record.neurons):
        return []
    base, bits = escape(comparison.baseline.label), activation_bits(timesteps)
    return [f"Against {base} with {bits}-bit activations, priced but not trained, it is {_times(found)}."]


def _more_or_less(dense: float, skipping: float, base: str) -> str:
    first, second = (_compared(ratio) for ratio in (dense, skipping))
    if first == second:
        return f"{first} {base}"
    return f"{first} {base} computed densely, but {second} {base} with zeros skipped"


def _compared(ratio: float) -> str:
    return "as much energy as" if ratio == 1 else f"{'less' if ratio < 1 else 'more'} energy than"


def _caveats(comparison: Comparison, entry: Entry) -> list[str]:
    found = []
    if len(entry.done) < len(entry.slots):
        found.append(f"Only {len(entry.done)} of its {len(entry.slots)} runs have finished.")
    silent = joined(layer.name for record in entry.done for layer in record.layers if layer.silent)
    if silent:
        found.append(f"Layers that never saw a spike ({escape(silent)}) are broken, not cheap.")
    if entry.spec.unmatched:
        found.append(f"It is not matched by declaration: {escape(joined(entry.spec.unmatched))}.")
    if entry.label in {label for label, _ in unmatched_runs(comparison)}:
        found.append("Its initial weights or sample order are not the baseline's: see Match.")
    uncounted = joined(name for record in entry.done for name in record.not_counted)
    if uncounted:
        found.append(f"Not in its counts: {escape(uncounted)}.")
    return found


def _bold(entry: Entry) -> str:
    return f"**{escape(entry.label)}**"


def _times(value: float | None) -> str:
    return "n/a" if value is None else f"{number(value, 3)} times"
