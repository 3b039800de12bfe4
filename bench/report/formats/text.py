"""Numbers and names as text, the same in every format."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

NOT_AVAILABLE = "n/a"


def percent(fraction: float | None) -> str:
    """Return a fraction as a percentage with three significant digits, or n/a."""
    return NOT_AVAILABLE if fraction is None else f"{hundredfold(fraction)} %"


def hundredfold(fraction: float) -> str:
    """Return a fraction in percent, three significant digits, without the sign."""
    return number(float(f"{100 * fraction:.9g}"), 3)  # rid of float noise first, so that 30 % is never 30.0 %


@dataclass(frozen=True)
class Unit:
    """A unit and its size in the base unit of the values."""

    name: str
    size: float

    def of(self, value: float | None) -> str:
        """Return `value` in this unit with four significant digits, or n/a."""
        return number(None if value is None else value / self.size)


def energy_unit(values_pj: Iterable[float | None]) -> Unit:
    """Choose the unit in which the largest of some energies has one to three digits before the point."""
    return _unit(values_pj, ("pJ", "nJ", "µJ", "mJ", "J"))


def count_unit(values: Iterable[float | None]) -> Unit:
    """Choose ones, thousands, millions or billions for some counts; the name is empty for ones."""
    return _unit(values, ("", "k", "M", "G"))


def _unit(values: Iterable[float | None], names: Sequence[str]) -> Unit:
    largest = max((value for value in values if value is not None), default=0.0)
    step = 0
    while step + 1 < len(names) and largest >= 1000.0 ** (step + 1):
        step += 1
    return Unit(names[step], 1000.0**step)


def number(value: float | None, digits: int = 4) -> str:
    """Return `value` with `digits` significant digits, never in exponent form unless it is tiny, or n/a.

    >>> number(1234567.0), number(0.0123456), number(2.0), number(None)
    ('1,234,567', '0.01235', '2', 'n/a')
    """
    if value is None or math.isnan(value):
        return NOT_AVAILABLE
    if math.isinf(value):
        return str(value)
    if value == int(value):
        return f"{int(value):,}"
    exponent = math.floor(math.log10(abs(value)))
    if exponent < -4:
        return f"{value:.{digits - 1}e}"
    return f"{value:,.{max(0, digits - 1 - exponent)}f}"


def fixed(value: float | None, decimals: int = 2, sign: bool = False) -> str:
    """Return `value` with a fixed number of decimals, signed on request, or n/a; never minus zero."""
    if value is None or math.isnan(value):
        return NOT_AVAILABLE
    return f"{round(value, decimals) + 0.0:{'+' if sign else ''},.{decimals}f}"


def p_value(value: float | None) -> str:
    """Return a probability with three decimals, four where it would look like 0.05, or its bound, or n/a."""
    if value is None:
        return NOT_AVAILABLE
    if value < 0.001:
        return "< 0.001"
    return f"{value:.4f}" if f"{value:.3f}" == "0.050" else f"{value:.3f}"


def ratio(value: float | None, reference: float | None) -> float | None:
    """Return value / reference, or None where either is missing or the reference is 0."""
    return value / reference if value is not None and reference else None


def times(value: float | None) -> str:
    """Return a ratio with its sign of multiplication, or n/a."""
    return NOT_AVAILABLE if value is None else f"{number(value, 3)}×"


def one_line(text: str) -> str:
    """Return `text` with line ends, control and direction marks taken out: each run of them becomes one space."""
    plain = "".join(" " if unicodedata.category(mark)[0] in "CZ" else mark for mark in text)
    return " ".join(plain.split())


def joined(values: Iterable[str]) -> str:
    """Return distinct values in the order of their first appearance, joined by commas."""
    return ", ".join(dict.fromkeys(values))
