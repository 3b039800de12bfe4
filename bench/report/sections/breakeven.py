"""On which side of break-even a spiking network is: against the baseline, a bit-matched one, and published bounds."""

from __future__ import annotations

from collections.abc import Sequence

from bench.energy.quantised import activation_bits
from bench.records.record import RunRecord
from bench.report.evidence.comparison import Comparison, Entry
from bench.report.evidence.pricing import DENSE, ZERO_SKIPPING, Priced, firing_rate
from bench.report.evidence.statistics import summarise
from bench.report.formats.text import (
    NOT_AVAILABLE,
    bullets,
    energy_unit,
    escape,
    fixed,
    joined,
    number,
    ratio,
    table,
    times,
)

# M. Dampfhoffer, T. Mesquida, A. Valentian, L. Anghel, Are SNNs Really More Energy-Efficient Than ANNs? An In-Depth
# Hardware-Aware Study, IEEE TETCI 7(3):731-741, 2023; from its abstract.
SPIKES_PER_SYNAPSE_BAND = (0.15, 1.38)
# Z. Yan, Z. Bai, W.-F. Wong, Reconsidering the energy efficiency of spiking neural networks, arXiv:2409.08290; from
# the abstracts of versions 2 and 3, and of version 4 (2026).
YAN_BOUND_PERCENT, YAN_TIMESTEPS = 6.4, range(5, 11)
YAN_LATER_BOUND_PERCENT, YAN_LATER_TIMESTEPS = 5.7, 5
# S. Davidson, S. B. Furber, Comparison of Artificial and Spiking Neural Networks on Digital Hardware, Frontiers in
# Neuroscience 15:651141, 2021. The number is quoted by others; only the abstract was read at the source.
SPIKES_PER_NEURON_BOUND = 1.72

MODES = ((DENSE, "computed densely"), (ZERO_SKIPPING, "with zeros skipped on both sides"))


def break_even(comparison: Comparison, priced: Sequence[Priced]) -> str:
    """Return break-even rates and measured rate per cost table and entry, and a sentence per entry; empty if none."""
    entries = _spiking(comparison)
    if not entries or not comparison.baseline.done:
        return ""
    base = escape(comparison.baseline.label)
    rows = [
        [
            escape(each.name),
            escape(entry.label),
            fixed(firing_rate(entry), 4),
            *(rate_cell(each.break_even_rate(entry, mode)) for mode, _ in MODES),
        ]
        for each in priced
        for entry in entries
        if any(each.break_even_rate(entry, mode) is not None for mode, _ in MODES)
    ]
    note = (
        f"### Break-even\n\nThe firing rate, in spikes per neuron and timestep, at which an entry's total equals that "
        f"of {base} under the same table: what spikes cause is taken to be proportional to the rate, everything else "
        "to be constant. Below it the entry takes less energy."
    )
    header = ["cost table", "entry", "measured firing rate", "break-even, dense", "break-even, zero-skipping"]
    lines = bullets(_side(priced, entry, base) for entry in entries)
    return "\n\n".join([note, *([table(header, rows, text_columns=2)] if rows else []), lines])


def rate_cell(rate: float | None) -> str:
    """Return a break-even rate, or in words that there is none between 0 and 1."""
    if rate is None:
        return NOT_AVAILABLE
    if rate < 0:
        return "none: more even without a spike"
    return "any: less even at 1" if rate > 1 else fixed(rate, 4)


def _side(priced: Sequence[Priced], entry: Entry, base: str) -> str:
    measured = firing_rate(entry)
    sentences = [f"**{escape(entry.label)}** fires at {fixed(measured, 4)}."]
    for mode, words in MODES:
        sides: dict[str, list[str]] = {}
        for each in priced:
            side = _side_of(measured, each.break_even_rate(entry, mode))
            sides.setdefault(side, []).append(escape(each.name))
        found = "; ".join(f"{side} under {joined(names)}" for side, names in sides.items())
        sentences.append(f"Against {base} {words} it is {found}.")
    return " ".join(sentences)


def _side_of(measured: float | None, rate: float | None) -> str:
    if measured is None or rate is None:
        return "on neither side (some work has no price)"
    if rate < 0:
        return "on the side of more energy at any firing rate"
    if measured == rate:
        return "exactly at break-even"
    return "on the side of less energy" if measured < rate else "on the side of more energy"


def bit_matched(comparison: Comparison, priced: Sequence[Priced]) -> str:
    """Return the baseline with as many activation levels as an entry has timesteps, priced analytically; or empty."""
    base = comparison.baseline
    rows = []
    for each in priced:
        means = {
            (entry.label, mode): each.quantised_baseline(entry.spec.timesteps, mode)
            for entry in _spiking(comparison)
            for mode, _ in MODES
        }
        unit = energy_unit(means.values())
        if not any(means.values()):
            continue
        for entry in _spiking(comparison):
            cells = []
            for mode, _ in MODES:
                mean = means[entry.label, mode]
                shown = NOT_AVAILABLE if mean is None else f"{unit.of(mean)} {unit.name}"
                cells += [shown, times(ratio(each.mean(entry, "total", mode), mean))]
            timesteps = entry.spec.timesteps
            rows.append(
                [escape(each.name), escape(entry.label), str(timesteps), str(activation_bits(timesteps)), *cells]
            )
    if not rows:
        return ""
    label = escape(base.label)
    note = (
        f"### {label} with matched activation bits (analytical)\n\nT spikes tell T + 1 values apart, so a fair "
        f"opponent is {label} with ceil(log2(T + 1))-bit activations (Yan et al. 2024). No such network was trained or "
        f"counted: these are the counts of {label}, with the multiplication of a MAC and the accesses to activations "
        "priced in proportion to their bits, and everything else as before, the layer that sees the image included. "
        "Cost tables without a price for a MAC are left out."
    )
    header = [
        *("cost table", "entry", "T", "bits", f"quantised {label}, dense ↓", "entry, × of it"),
        *(f"quantised {label}, zero-skipping ↓", "entry, × of it"),
    ]
    return f"{note}\n\n{table(header, rows, text_columns=2)}"


def published_bounds(comparison: Comparison) -> str:
    """Return spikes per synapse and firing rate of each entry beside published bounds, and the side it is on."""
    rows, lines = [], []
    for entry in comparison.entries:
        values = [found for record in entry.done if (found := spikes_per_synapse(record)) is not None]
        if not values:
            continue
        per_synapse, rate = summarise(values).mean, firing_rate(entry)
        percent = None if rate is None else 100 * rate
        rows.append([escape(entry.label), number(per_synapse), fixed(percent)])
        lines.append(_against_bounds(entry, per_synapse, rate))
    if not rows:
        return ""
    low, high = SPIKES_PER_SYNAPSE_BAND
    note = (
        "### Against published bounds\n\nSpikes per synapse and inference, over the layers whose input is not analog: "
        f"effective synops / (dense MACs / T). Dampfhoffer et al. (2023) find that a spiking network has to stay below "
        f"{low} to {high}, depending on the hardware; Yan et al. (2024) that its firing rate has to stay below "
        f"{YAN_BOUND_PERCENT} % for T of 5 to 10 ({YAN_LATER_BOUND_PERCENT} % at T = {YAN_LATER_TIMESTEPS} in a "
        "version of 2026); Davidson and Furber (2021), as quoted by others, that a neuron has to send fewer than "
        f"{SPIKES_PER_NEURON_BOUND} spikes per inference. Each holds for the technology and the networks of its paper."
    )
    numbers = table(["entry", "spikes per synapse and inference", "firing rate, %"], rows)
    return "\n\n".join([note, bullets(lines), numbers])


def spikes_per_synapse(record: RunRecord) -> float | None:
    """Return effective synops / (dense MACs / T) over the layers whose input is not analog; None without any."""
    spiking = [layer for layer in record.layers if layer.input_kind != "analog"]
    once = sum(layer.dense_macs_per_sample / layer.timesteps for layer in spiking)
    return sum(layer.effective_synops_per_sample for layer in spiking) / once if once else None


def _against_bounds(entry: Entry, per_synapse: float | None, rate: float | None) -> str:
    low, high = SPIKES_PER_SYNAPSE_BAND
    clauses = []
    if per_synapse is not None:
        side = f"below {low}: on the side of less energy than a conventional network, on any hardware"
        if per_synapse >= high:
            side = f"not below {high}: on the side of more energy than a conventional network, on any hardware"
        elif per_synapse >= low:
            side = f"between {low} and {high}: less energy than some hardware for conventional networks, not than all"
        clauses.append(f"{number(per_synapse)} spikes per synapse are {side}")
    if rate is not None:
        clauses += [_against_yan(entry, 100 * rate), _against_davidson(rate * entry.spec.timesteps)]
    return f"**{escape(entry.label)}**: {'; '.join(clauses)}."


def _against_yan(entry: Entry, percent: float) -> str:
    timesteps = entry.spec.timesteps
    bound = YAN_LATER_BOUND_PERCENT if timesteps == YAN_LATER_TIMESTEPS else YAN_BOUND_PERCENT
    side = "below" if percent < bound else "not below"
    outside = "" if timesteps in YAN_TIMESTEPS else f", which was derived for T of 5 to 10 and not for {timesteps}"
    return f"a firing rate of {fixed(percent)} % is {side} {bound} %{outside}"


def _against_davidson(spikes: float) -> str:
    side = "below" if spikes < SPIKES_PER_NEURON_BOUND else "not below"
    return f"{number(spikes)} spikes per neuron are {side} {SPIKES_PER_NEURON_BOUND}"


def _spiking(comparison: Comparison) -> list[Entry]:
    return [entry for entry in comparison.others if entry.done and firing_rate(entry) is not None]
