"""Sentences about an entry's estimated energy against the baseline's, under the first cost table."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence

from bench.energy.quantised import activation_bits
from bench.report.evidence.entry import Entry
from bench.report.evidence.evidence import Evidence
from bench.report.evidence.pricing import DENSE, ZERO_SKIPPING, Priced, turning_price
from bench.report.formats.inline import Inline, Said, Text, join, text
from bench.report.formats.text import fixed, joined, number, ratio
from bench.report.sections.cells import interval_words, label
from bench.report.sections.soundness import not_compared

UNKNOWN = "not established"


def energy_sentences(evidence: Evidence, entry: Entry) -> list[Inline]:
    """Return the comparison, what the assumed price of a sigmoid does to it, and that with a bit-matched baseline.

    First with the cheapest network without spikes, where that is not the baseline. Or why nothing is compared: one of
    the two is not sound.
    """
    priced, reference = evidence.leading, evidence.reference(entry)
    against = [] if reference is priced.baseline else _with_reference(evidence, entry, reference)
    if not priced.comparable(entry):
        return [*against, not_compared(entry, priced.baseline)]
    return [
        *against,
        *_compared(evidence, evidence.prices, entry),
        *_cached(priced, entry),
        *_sigmoid(priced, entry),
        *_bit_matched(priced, entry),
    ]


def _with_reference(evidence: Evidence, entry: Entry, reference: Entry) -> list[Inline]:
    """Compare with the cheapest network without spikes that is not less accurate, and say that it is that."""
    prices = [priced.against(reference) for priced in evidence.prices]
    if not prices[0].comparable(entry):
        return [not_compared(entry, reference)]
    found = evidence.comparison.between(reference, entry)
    points = f"{fixed(found.mean, sign=True)} points, {interval_words(found)}"
    least = text(
        *(label(reference), " takes least energy of the entries without spikes that are not established as less "),
        *("accurate than ", label(entry), f" ({points})."),
    )
    return [
        *(least, *_compared(evidence, prices, entry)),
        *(*_sigmoid(prices[0], entry), *_bit_matched(prices[0], entry)),
    ]


def _compared(evidence: Evidence, prices: Sequence[Priced], entry: Entry) -> list[Inline]:
    return [_comparison(evidence, prices[0], entry), *_over_tables(evidence, prices, entry)]


def _over_tables(evidence: Evidence, prices: Sequence[Priced], entry: Entry) -> list[Inline]:
    """Say under how many tables less or more energy is established over seeds, dense and zero-skipping."""
    if len(prices) < 2:
        return []
    base = label(prices[0].baseline)
    sides = {mode: [evidence.energy_side(each, entry, mode) or UNKNOWN for each in prices] for mode in _MODES}
    clauses = [text(words, ": ", join(", ", _under(prices, sides[mode]))) for mode, words in _MODES.items()]
    over = text(f"Over the seeds and all {len(prices)} tables, against ", base, " ", join("; ", clauses), ".")
    return [over, *(text("Less energy than ", base, words) for words in _what_decides(prices, sides))]


_MODES = {DENSE: "computed densely", ZERO_SKIPPING: "with zeros skipped"}


def _under(prices: Sequence[Priced], sides: Sequence[str]) -> list[Text]:
    """Return each side with the tables that are on it."""
    names = {side: [each.name for each, own in zip(prices, sides, strict=True) if own == side] for side in _SIDES}
    return [text(f"{side} under {len(found)} (", Said(joined(found)), ")") for side, found in names.items() if found]


_SIDES = ("less", "more", "as much", UNKNOWN)


def _what_decides(prices: Sequence[Priced], sides: Mapping[str, Sequence[str]]) -> list[str]:
    """Name what has to be left out for less energy to be established: memory, or the skipping of zeros."""
    if not any("less" in own for own in sides.values()):
        return []
    memory = [each.table.prices_memory for each in prices]
    with_memory = {side for own in sides.values() for side in itertools.compress(own, memory)}
    found = []
    if with_memory and "less" not in with_memory:
        found.append(" is established under no table that prices the memory of both.")
    if "less" not in sides[ZERO_SKIPPING]:
        found.append(" is established nowhere with zeros skipped.")
    return found


def _comparison(evidence: Evidence, priced: Priced, entry: Entry) -> Text:
    """Compare with the baseline under the first table, dense and zero-skipping."""
    base, where = label(priced.baseline), text("Under ", Said(priced.name))
    dense = priced.ratio(entry, "total", DENSE)
    skipping = priced.ratio(entry, "total", ZERO_SKIPPING)
    synapse, synapse_skipping = (_times(priced.ratio(entry, "synapse", mode)) for mode in (DENSE, ZERO_SKIPPING))
    only = f" (synapses alone: {synapse} and {synapse_skipping})."
    if dense is None or skipping is None:
        return text(where, " its total energy against ", base, " is n/a: ", _why_no_total(priced, entry), only)
    return text(
        *(where, " ", _more_or_less(evidence, priced, entry)),
        *(f": {_times(dense)} the energy per sample of ", base, f" computed densely, {_times(skipping)} with zeros "),
        *("skipped on both sides", only),
    )


def _why_no_total(priced: Priced, entry: Entry) -> Text:
    reasons = []
    for each in (entry, priced.baseline):
        breakdowns = priced.breakdowns[each.label]
        if any(breakdown.unpriced for breakdown in breakdowns):
            reasons.append(text("not every operation of ", label(each), " has a price there"))
        if any(breakdown.not_counted for breakdown in breakdowns) or not breakdowns:
            reasons.append(text("not all work of ", label(each), " was counted"))
    return join(" and ", reasons)


def _more_or_less(evidence: Evidence, priced: Priced, entry: Entry) -> Text:
    """Say what is established over seeds of an entry's energy under the first table, dense and zero-skipping."""
    base = label(priced.baseline)
    dense, skipping = (evidence.energy_side(priced, entry, mode) or UNKNOWN for mode in (DENSE, ZERO_SKIPPING))
    first, second = (_energy(side, base) for side in (dense, skipping))
    begins = _BEGINS[dense == UNKNOWN]
    if dense == skipping:
        return text(begins, first)
    again = "" if UNKNOWN not in (dense, skipping) else _BEGINS[skipping == UNKNOWN]
    return text(begins, first, " computed densely, but ", again, second, " with zeros skipped")


_BEGINS = {False: "it is estimated to take ", True: "it is not established over the seeds whether it takes "}


def _energy(side: str, base: Inline) -> Text:
    words = {UNKNOWN: "less or more energy than ", "as much": "as much energy as "}
    return text(words.get(side, f"{side} energy than "), base)


def _cached(priced: Priced, entry: Entry) -> list[Inline]:
    """Say what an entry would take, did it compute once what a static input repeats at every timestep."""
    dense, cached = priced.mean(entry, "total", DENSE), priced.of(entry, lambda b: b.total_cached_pj_per_sample).mean
    if cached is None or cached == dense:
        return []
    found = _times(ratio(cached, priced.mean(priced.baseline, "total", DENSE)))
    return [
        f"Were layers that see the same input at every timestep computed once, it would be {found} computed densely."
    ]


def _sigmoid(priced: Priced, entry: Entry) -> list[Inline]:
    """Say how far the assumed price of a sigmoid moves an entry's dense ratio, and at which price it would turn.

    Nothing where it does not move it.
    """
    base = priced.mean(priced.baseline, "total", DENSE)
    free = priced.of(entry, lambda breakdown: breakdown.total_sigmoid_free_pj_per_sample).mean
    tenfold = priced.of(entry, lambda breakdown: breakdown.total_sigmoid_tenfold_pj_per_sample).mean
    if free == tenfold:
        return []
    words = (
        f"at 0 and at 10 times it, the dense figure is {_times(ratio(free, base))} and {_times(ratio(tenfold, base))}."
    )
    return [f"A sigmoid's price is an assumption: {words}", *_turning_price(priced, entry)]


def _turning_price(priced: Priced, entry: Entry) -> list[Inline]:
    """Say which price of a sigmoid would make an entry take as much as the baseline, dense and zero-skipping."""
    price = priced.table.operation_pj.get("sigmoid")
    found = [turning_price(priced, entry, mode) for mode in (DENSE, ZERO_SKIPPING)]
    prices = [each for each in found if each is not None]
    if price is None or len(prices) < len(found):
        return []
    base, at = label(priced.baseline), list(zip(prices, _MODES.values(), strict=True))
    same = [f"at {number(each, 3)} pJ a sigmoid {mode}" for each, mode in at if each > 0]
    even = [mode for each, mode in at if each <= 0]
    clauses = [text("as much as ", base, " ", ", ".join(same))] if same else []
    clauses += [text("more than ", base, f" even at no price a sigmoid {' and '.join(even)}")] if even else []
    return [text("It would take ", join(", and ", clauses), f"; the table has {number(price, 3)} pJ.")]


def _bit_matched(priced: Priced, entry: Entry) -> list[Inline]:
    """Compare the dense figure with the baseline's at the activation bits that T timesteps need, where it has one."""
    timesteps = entry.spec.timesteps
    found = ratio(priced.mean(entry, "total", DENSE), priced.quantised_baseline(timesteps, DENSE))
    if found is None or not entry.spikes:
        return []
    bits = activation_bits(timesteps)
    against = f" with {bits}-bit activations, priced but not trained, it is {_times(found)}."
    return [text("Against ", label(priced.baseline), against)]


def _times(value: float | None) -> str:
    return "n/a" if value is None else f"{number(value, 3)} times"
