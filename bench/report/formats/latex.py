"""The narrow main table in LaTeX."""

from __future__ import annotations

from bench.report.formats.base import Markup
from bench.report.formats.document import MainTable
from bench.report.formats.grid import grid
from bench.report.formats.text import one_line

_SPECIAL = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': "''",
    "µ": r"$\mu$",
    "±": r"$\pm$",
    "×": r"$\times$",
    "Δ": r"$\Delta$",
    "↑": r"$\uparrow$",
    "↓": r"$\downarrow$",
} | {mark: "\\" + mark for mark in "&%$#_{}"}


class Latex(Markup):
    """LaTeX: the narrow main table with the rules of booktabs."""

    name = "latex"

    def main_table(self, table: MainTable) -> str:
        """Return a tabular of the columns that fit a page."""
        header, rows = table.narrow.header, table.narrow.rows
        cells = [list(map(self.inline, row)) for row in rows]
        body = grid(list(map(self.inline, header)), cells, "latex_raw", table.narrow.text_columns)
        rules = iter((r"\toprule", r"\midrule", r"\bottomrule"))
        return "\n".join(next(rules) if line.strip() == r"\hline" else line for line in body.splitlines())

    def plain(self, words: str) -> str:
        """Return the program's own words, its arrows and signs in math mode."""
        return "".join(_SPECIAL.get(mark, mark) for mark in words)

    def said(self, words: str) -> str:
        """Return the words of others, escaped."""
        return self.plain(one_line(words))

    def strong(self, written: str) -> str:
        """Return bold text."""
        return rf"\textbf{{{written}}}"

    def emphasis(self, written: str) -> str:
        """Return italic text."""
        return rf"\emph{{{written}}}"

    def verbatim(self, words: str) -> str:
        """Return text in a typewriter's face."""
        return rf"\texttt{{{self.plain(words)}}}"
