"""Rows of words in columns, ten thousand in a moment: what fits is laid out as it is, and only the rest is folded."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence

from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

GAP = "  "
NARROWEST = 8  # a column that folds


def columns(rows: Sequence[Sequence[str]], folding: Sequence[int], console: Console) -> Iterator[str]:
    """Yield the lines of rows, each of as many cells, of which those of the columns `folding` may take several lines.

    They fold where the rows are wider than the console, the widest column first.
    """
    widths = [max(map(_width, column)) for column in zip(*rows, strict=True)]
    while sum(widths) + len(GAP) * (len(widths) - 1) > console.width:
        widest = max(folding, key=lambda at: widths[at])
        if widths[widest] <= NARROWEST:
            break
        widths[widest] -= 1
    for row in rows:
        if all(cell.isprintable() and _width(cell) <= width for cell, width in zip(row, widths, strict=True)):
            yield _line(row, widths)
        else:
            folded = [_folded(cell, width, console) for cell, width in zip(row, widths, strict=True)]
            yield from (_line(cells, widths) for cells in itertools.zip_longest(*folded, fillvalue=""))


def _width(cell: str) -> int:
    if cell.isascii() and cell.isprintable():
        return len(cell)
    return max(map(cell_len, cell.expandtabs().splitlines()), default=0)


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    padded = (cell + " " * (width - _width(cell)) for cell, width in zip(cells, widths, strict=True))
    return GAP.join(padded).rstrip()


def _folded(cell: str, width: int, console: Console) -> list[str]:
    return [line.plain.rstrip() for line in Text(cell).wrap(console, max(1, width), overflow="fold")]
