"""Rows in columns: as wide as what they hold, folded where the console is narrower, and no word is lost."""

import io

from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console

from bench.commands.columns import GAP, NARROWEST, columns


def lines(rows, folding, width):
    return list(columns(rows, folding, Console(file=io.StringIO(), width=width)))


def test_a_column_is_as_wide_as_its_widest_cell_and_lines_end_where_words_do():
    rows = [["entry", "seed", ""], ["LIF", "10", "done"], ["\u5149\u5b50", "0", ""]]
    assert lines(rows, [2], 80) == ["entry  seed", "LIF    10    done", "\u5149\u5b50   0"]


def test_the_widest_of_the_columns_that_fold_is_folded():
    rows = [["a" * 12, "one two three", "x"], ["b", "four", "y"]]
    assert lines(rows, [1], 24) == ["a" * 12 + "  one two   x", " " * 14 + "three", "b" + " " * 13 + "four      y"][:3]


def test_a_cell_of_several_lines_takes_them():
    assert lines([["a", "1\n2"], ["b", "3"]], [1], 80) == ["a  1", "   2", "b  3"]


WORDS = st.lists(st.text("abc\u00e9\u5149", min_size=1, max_size=30), max_size=4).map(" ".join)


@given(st.lists(st.tuples(WORDS, WORDS, WORDS), min_size=1, max_size=5), st.integers(20, 60))
def test_nothing_is_lost_and_no_line_is_wider_than_need_be(rows, width):
    found = lines([list(row) for row in rows], [0, 1, 2], width)
    squeezed = "".join("".join(line.split()) for line in found)
    assert sorted(squeezed) == sorted("".join("".join(cell.split()) for row in rows for cell in row))
    assert all(cell_len(line) <= max(width, 3 * NARROWEST + 2 * len(GAP)) for line in found)
