"""Which files a figure can be drawn into."""

from __future__ import annotations

from pathlib import Path

from bench.errors import BenchError, nearest

ENDINGS = ("png", "svg")


def format_of(path: Path) -> str:
    """Return the format that a figure's name asks for. Raises BenchError for one that cannot be drawn."""
    ending = path.suffix.removeprefix(".").lower()
    if ending not in ENDINGS:
        raise BenchError(f"--figure {path}: unknown format '{ending}'; {nearest(ending, ENDINGS)}")
    return ending
