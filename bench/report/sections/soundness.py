"""Words about entries whose runs diverged, are dead or at chance: what was seen, and why no energy is compared."""

from __future__ import annotations

from bench.records.health import LEVEL, STATES, TIMES_A_GUESS
from bench.report.evidence.comparison import Comparison
from bench.report.evidence.entry import Entry
from bench.report.formats.document import Block, Paragraph
from bench.report.formats.inline import Inline, Said, Text, join, text
from bench.report.sections.cells import label


def label_and_state(entry: Entry) -> Inline:
    """Return an entry's label, followed by the states of its runs where it is not sound."""
    return label(entry) if entry.sound else text(label(entry), f" ({entry.state})")


def what_was_seen(entry: Entry) -> Text:
    """Return the states of an entry that is not sound, each with its seeds and the reason."""
    runs = [(slot.health.state, slot.run.seed, slot.health.reasons) for slot in entry.slots]
    return join(
        "; ",
        (
            text(f"{state} (", join("; ", (text(f"seed {seed}: ", Said(why[state])) for seed, why in found)), ")")
            for state in STATES
            if (found := [(seed, why) for gravest, seed, why in runs if gravest == state])
        ),
    )


def not_compared(entry: Entry, baseline: Entry) -> Text:
    """Say why an entry's energy is not held against the baseline's."""
    if entry.sound:
        return text("Its energy is not compared: ", label(baseline), " is not sound.")
    return text(
        *("It is not sound: ", what_was_seen(entry), ". The energy of such a network is no advantage and is not "),
        "compared.",
    )


def legend_of_states(comparison: Comparison) -> list[Block]:
    """Return what the states mean; nothing where every entry is sound."""
    if all(entry.sound for entry in comparison.entries):
        return []
    return [
        Paragraph(
            f"Diverged: the mean training loss of the last epoch is above {TIMES_A_GUESS:g} times that of a network "
            "that says nothing (of a loss from outside: that of the first epoch). Dead: a layer in which no neuron "
            "fired over the whole test split. At chance: not distinguishable from naming the most frequent class, by "
            f"the exact one-sided binomial test on the test split at a level of {100 * LEVEL:g} %. "
            "The energy of such an entry is compared with nothing, and nothing with that of such a baseline."
        )
    ]
