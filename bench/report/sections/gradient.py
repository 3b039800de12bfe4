"""Sentences about the gradient that reaches the first timestep, and whose share of it is larger."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from statistics import fmean

from bench.report.evidence.comparison import Comparison
from bench.report.evidence.neuron_layers import gradient_shares
from bench.report.formats.inline import Inline, Said, Text, join, text
from bench.report.formats.text import number, percent

Shares = dict[str, dict[int, float]]  # by label and seed


def gradient_sentences(comparison: Comparison) -> Iterator[Text]:
    """Say for each T above 1 how much gradient reaches the first timestep, entry by entry, and whose share is larger.

    The share of a run is the mean over its layers. Larger by seed counts the seeds that both entries finished.
    """
    by_timesteps: dict[int, Shares] = {}
    for entry in comparison.entries:
        shares = gradient_shares(entry)
        if shares and entry.spec.timesteps > 1:
            by_timesteps.setdefault(entry.spec.timesteps, {})[entry.label] = shares
    for timesteps, found in by_timesteps.items():
        yield text(_reaches(timesteps, found), _larger(found) if len(found) > 1 else "")


def _reaches(timesteps: int, found: Shares) -> Text:
    sizes = {len(shares) for shares in found.values()}
    each: list[Text] = []
    for label, shares in found.items():
        of_what = "" if each else f" of that at t = {timesteps}"
        n = f" (n = {len(shares)})" if len(sizes) > 1 else ""
        each.append(text(f"{percent(fmean(shares.values()))}{of_what} in ", Said(label), n))
    over = "mean over layers" + (f", n = {next(iter(sizes))}" if len(sizes) == 1 else "")
    return text(f"At T = {timesteps} the gradient that reaches t = 1 is ", _and(each), f" ({over}).")


def _and(parts: Sequence[Inline]) -> Text:
    *most, last = parts
    return text(join(", ", most), " and " if most else "", last)


def _larger(found: Shares) -> Text:
    means = {label: fmean(shares.values()) for label, shares in found.items()}
    most, least = max(means, key=lambda label: means[label]), min(means, key=lambda label: means[label])
    if means[most] == means[least]:
        return text(" No entry has more than another.")
    seeds = [seed for seed in found[most] if seed in found[least]]
    wins = sum(found[most][seed] > found[least][seed] for seed in seeds)
    ratio = f"{number(means[most] / means[least], 3)} times" if means[least] else "more than nothing against"
    by_seed = f"; it is the larger of the two in {wins} of {len(seeds)} seeds" if seeds else ""
    return text(" The share in ", Said(most), f" is {ratio} that in ", Said(least), f"{by_seed}.")
