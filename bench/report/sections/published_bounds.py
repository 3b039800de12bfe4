"""Spikes per synapse and firing rates beside published bounds, and the side of them that an entry is on."""

from __future__ import annotations

from bench.records.record import RunRecord
from bench.report.evidence.entry import Entry
from bench.report.evidence.evidence import Evidence
from bench.report.evidence.pricing import firing_rate
from bench.report.evidence.statistics import summarise
from bench.report.formats.document import Block, Bullets, Paragraph, Section, Table
from bench.report.formats.inline import Inline, Strong, text
from bench.report.formats.text import fixed, number
from bench.report.sections.cells import label
from bench.report.sections.soundness import label_and_state

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


def published_bounds(evidence: Evidence) -> list[Block]:
    """Return a sentence and the numbers of each entry that spikes; nothing without any.

    The bounds are of spiking networks: one without spikes that reads events is held against none.
    """
    rows: list[list[Inline]] = []
    lines = []
    for entry in evidence.comparison.entries:
        if not entry.spikes:
            continue
        values = [found for record in entry.done if (found := spikes_per_synapse(record)) is not None]
        if not values:
            continue
        per_synapse, rate = summarise(values).mean, firing_rate(entry)
        percent = None if rate is None else 100 * rate
        rows.append([label_and_state(entry), number(per_synapse), fixed(percent)])
        if not entry.sound:
            lines.append(text(Strong(label_and_state(entry)), " is held against no bound."))
            continue
        clauses = _against_bounds(entry, per_synapse, rate)
        lines.append(text(Strong(label(entry)), f": {'; '.join(clauses)}."))
    if not rows:
        return []
    numbers = Table(["entry", "spikes per synapse and inference", "firing rate, %"], rows)
    return [Section("Against published bounds", [_note(), Bullets(lines), numbers])]


def spikes_per_synapse(record: RunRecord) -> float | None:
    """Return effective synops / (dense MACs / T) over the layers whose input is not analog; None without any."""
    spiking = [layer for layer in record.layers if layer.input_kind != "analog"]
    once = sum(layer.dense_macs_per_sample / layer.timesteps for layer in spiking)
    return sum(layer.effective_synops_per_sample for layer in spiking) / once if once else None


def _note() -> Block:
    low, high = SPIKES_PER_SYNAPSE_BAND
    return Paragraph(
        "Spikes per synapse and inference, over the layers whose input is not analog: "
        f"effective synops / (dense MACs / T). Dampfhoffer et al. (2023) find that a spiking network has to stay below "
        f"{low} to {high}, depending on the hardware; Yan et al. (2024) that its firing rate has to stay below "
        f"{YAN_BOUND_PERCENT} % for T of 5 to 10 ({YAN_LATER_BOUND_PERCENT} % at T = {YAN_LATER_TIMESTEPS} in a "
        "version of 2026); Davidson and Furber (2021), as quoted by others, that a neuron has to send fewer than "
        f"{SPIKES_PER_NEURON_BOUND} spikes per inference. Each holds for the technology and the networks of its paper, "
        "none for the cost tables here: where a bound and a table disagree, they model different hardware, and the "
        "verdict is the tables'."
    )


def _against_bounds(entry: Entry, per_synapse: float | None, rate: float | None) -> list[str]:
    clauses = []
    if per_synapse is not None:
        clauses.append(f"{number(per_synapse)} spikes per synapse are {_against_dampfhoffer(per_synapse)}")
    if rate is not None:
        clauses += [_against_yan(entry, 100 * rate), _against_davidson(rate * entry.spec.timesteps)]
    return clauses


def _against_dampfhoffer(per_synapse: float) -> str:
    low, high = SPIKES_PER_SYNAPSE_BAND
    if per_synapse >= high:
        return f"not below {high}: more energy than a conventional network in every case of that study"
    if per_synapse >= low:
        return (
            f"between {low} and {high}: less energy than a conventional network in some cases of that study, not in all"
        )
    return f"below {low}: less energy than a conventional network in every case of that study"


def _against_yan(entry: Entry, percent: float) -> str:
    timesteps = entry.spec.timesteps
    bound = YAN_LATER_BOUND_PERCENT if timesteps == YAN_LATER_TIMESTEPS else YAN_BOUND_PERCENT
    side = "below" if percent < bound else "not below"
    outside = "" if timesteps in YAN_TIMESTEPS else f", which was derived for T of 5 to 10 and not for {timesteps}"
    return f"a firing rate of {fixed(percent)} % is {side} {bound} %{outside}"


def _against_davidson(spikes: float) -> str:
    side = "below" if spikes < SPIKES_PER_NEURON_BOUND else "not below"
    return f"{number(spikes)} spikes per neuron are {side} {SPIKES_PER_NEURON_BOUND}"
