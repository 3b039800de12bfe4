"""Rows of finished cells laid out as a table of text."""

from __future__ import annotations

from collections.abc import Sequence

import tabulate as tabulate_module
from tabulate import tabulate

# Padding must not depend on whether the optional wcwidth happens to be installed: reports are compared byte by byte.
tabulate_module.WIDE_CHARS_MODE = False


def grid(header: Sequence[str], rows: Sequence[Sequence[str]], style: str, text_columns: int = 1) -> str:
    """Return a table in a style of tabulate; the first `text_columns` columns are flush left, the others right."""
    alignment = ["left" if column < text_columns else "right" for column in range(len(header))]
    return tabulate(rows, header, tablefmt=style, disable_numparse=True, colalign=alignment if rows else None)
