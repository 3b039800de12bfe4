"""Reports in markdown that no label can break."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from bench.report.formats.base import Markup, PageFormat
from bench.report.formats.document import (
    Block,
    Bullets,
    Code,
    Document,
    Figure,
    MainTable,
    Paragraph,
    Section,
    Table,
)
from bench.report.formats.grid import grid
from bench.report.formats.text import one_line

_SPECIAL = {"&": "&amp;", "<": "&lt;", ">": "&gt;", "|": "&#124;"} | {mark: "\\" + mark for mark in "\\`*[]~$#!"}

_LOOSE_UNDERSCORE = re.compile(r"(?<![^\W_])_|_(?![^\W_])")  # one inside a word cannot begin or end emphasis


def escape(text: str) -> str:
    """Return `text` so that markdown shows it as it is, in a table too."""
    return _LOOSE_UNDERSCORE.sub(r"\\_", "".join(_SPECIAL.get(mark, mark) for mark in one_line(text)))


class Markdown(Markup, PageFormat):
    """Markdown: the whole main table, and pages."""

    name = "md"
    suffix = ".md"

    def main_table(self, table: MainTable) -> str:
        """Return every column."""
        return self.table(table.full)

    def page(self, document: Document) -> str:
        """Return a whole page."""
        return f"# {self.inline(document.title)}\n\n{self.blocks(document.blocks)}\n"

    def blocks(self, blocks: Sequence[Block], level: int = 2) -> str:
        """Return blocks with an empty line between them; headings among them have `level` marks."""
        return "\n\n".join(self._written(blocks, level))

    def _written(self, blocks: Sequence[Block], level: int) -> Iterator[str]:
        for block in blocks:
            match block:
                case Paragraph(text):
                    yield self.inline(text)
                case Bullets(items):
                    yield "\n".join(f"* {self.inline(item)}" for item in items)
                case Table():
                    yield self.table(block)
                case Figure():
                    yield f"![{block.caption}]({block.path})"
                case Code(text, language):
                    yield f"```{language}\n{text}\n```"
                case Section(heading, inner):
                    yield f"{'#' * level} {self.inline(heading)}"
                    yield from self._written(inner, level + 1)

    def table(self, table: Table) -> str:
        """Return a pipe table."""
        rows = [list(map(self.inline, row)) for row in table.rows]
        return grid(list(map(self.inline, table.header)), rows, "pipe", table.text_columns)

    def plain(self, words: str) -> str:
        """Return the program's own words as they are: none of them is special."""
        return words

    def said(self, words: str) -> str:
        """Return the words of others, escaped."""
        return escape(words)

    def strong(self, written: str) -> str:
        """Return bold text."""
        return f"**{written}**"

    def emphasis(self, written: str) -> str:
        """Return italic text."""
        return f"*{written}*"

    def verbatim(self, words: str) -> str:
        """Return a code span."""
        return f"`{words}`"
