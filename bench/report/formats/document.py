"""A report as data: sections of paragraphs, lists, tables, figures and code, for every format to write its own way."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bench.report.formats.inline import Inline

FIGURES = "figures"  # the folder beside the page


@dataclass(frozen=True)
class Paragraph:
    """Sentences."""

    text: Inline


@dataclass(frozen=True)
class Bullets:
    """A list."""

    items: Sequence[Inline]


@dataclass(frozen=True)
class Table:
    """Finished cells; the first `text_columns` columns are flush left, the others right."""

    header: Sequence[Inline]
    rows: Sequence[Sequence[Inline]]
    text_columns: int = 1


@dataclass(frozen=True)
class Figure:
    """A drawing in a file of its own."""

    name: str
    caption: str

    @property
    def path(self) -> str:
        """Where its file lies, seen from the page."""
        return f"{FIGURES}/{self.name}.svg"


@dataclass(frozen=True)
class Code:
    """Lines to be copied: commands of the shell, or of another language."""

    text: str
    language: str = "sh"


@dataclass(frozen=True)
class Section:
    """Blocks under a heading; sections in it are one level below."""

    heading: Inline
    blocks: Sequence[Block]


Block = Paragraph | Bullets | Table | Figure | Code | Section


@dataclass(frozen=True)
class Document:
    """A whole page."""

    title: Inline
    blocks: Sequence[Block]


@dataclass(frozen=True)
class MainTable:
    """The comparison at a glance, a row per entry: every column, those that fit a page, and the numbers themselves."""

    full: Table
    narrow: Table
    values: Sequence[Mapping[str, str | float | None]]  # full precision, mean and sd apart, None where not measured
