"""Words and cells that several sections write."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from bench.files.canonical import canonical_json
from bench.report.evidence.comparison import Comparison
from bench.report.evidence.crossed import Difference
from bench.report.evidence.entry import Entry
from bench.report.evidence.evidence import Evidence
from bench.report.evidence.statistics import Summary
from bench.report.formats.document import Block, Figure
from bench.report.formats.inline import Inline, Said
from bench.report.formats.text import Unit, fixed, number


def label(entry: Entry) -> Inline:
    """Return an entry's label."""
    return Said(entry.label)


def any_done(comparison: Comparison) -> bool:
    """Whether any run has finished."""
    return any(entry.done for entry in comparison.entries)


def figure(evidence: Evidence, name: str, caption: str) -> list[Block]:
    """Return a figure, where there is something to draw."""
    return [Figure(name, caption)] if name in evidence.figures else []


def mean_and_sd(summary: Summary, decimals: int = 2) -> str:
    """Return `mean ± sd` of a summary; no plus-minus at n = 1; n/a where nothing was measured."""
    if summary.sd is None:
        return fixed(summary.mean, decimals)
    return f"{fixed(summary.mean, decimals)} ± {fixed(summary.sd, decimals)}"


def interval(difference: Difference) -> str:
    """Return the ends of a simultaneous interval, signed; empty where there is none.

    With as many decimals, two to four, as show on which side of 0 an end lies.
    """
    if difference.low is None or difference.high is None:
        return ""
    ends = (difference.low, difference.high)
    decimals = next((d for d in (2, 3) if all(not end or round(end, d) for end in ends)), 4)
    low, high = (fixed(end, decimals, sign=True) for end in ends)
    return f"{low} to {high}"


def interval_words(difference: Difference) -> str:
    """Return a simultaneous interval with its number of seeds, or that there is none."""
    ends, n = interval(difference), f"n = {difference.n}"
    return f"95 % interval {ends}, {n}" if ends else f"no interval with one seed, {n}"


def with_unit(name: str, unit: Unit) -> str:
    """Return a heading with its unit, where the unit has a name."""
    return f"{name}, {unit.name}" if unit.name else name


def operations(ops: Mapping[str, float]) -> str:
    """Return operations and their numbers as words: `2 mul, 1 add`."""
    return ", ".join(f"{number(count)} {name}" for name, count in sorted(ops.items()) if count) or "none"


def flat(values: Mapping[str, Any], prefix: str = "") -> Iterable[tuple[str, Any]]:
    """Yield nested settings as dotted names and values."""
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def in_words(value: Any) -> str:
    """Return a setting's value as people write it."""
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        return ", ".join(map(in_words, value)) or "none"
    return {"null": "none", "true": "yes", "false": "no"}.get(canonical_json(value), canonical_json(value))
