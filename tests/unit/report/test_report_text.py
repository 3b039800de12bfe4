import html
import re
import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bench.report.formats.document import Table
from bench.report.formats.inline import Said
from bench.report.formats.latex import Latex
from bench.report.formats.markdown import Markdown, escape
from bench.report.formats.text import count_unit, energy_unit, fixed, number, p_value, times

ODD = st.text(st.characters(codec="utf-8"), max_size=40)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "n/a"),
        (float("nan"), "n/a"),
        (float("inf"), "inf"),
        (0.0, "0"),
        (2.0, "2"),
        (1234567.0, "1,234,567"),
        (1234567.8, "1,234,568"),
        (0.0123456, "0.01235"),
        (-3.14159, "-3.142"),
        (0.00001234, "1.234e-05"),
    ],
)
def test_number(value, text):
    assert number(value) == text


def test_fixed_knows_no_minus_zero():
    assert fixed(-0.001, sign=True) == "+0.00"
    assert (fixed(1.005, sign=True), fixed(None), fixed(-1.2)) == ("+1.00", "n/a", "-1.20")


def test_p_values_and_ratios():
    assert (p_value(0.0004), p_value(0.0126), p_value(None)) == ("< 0.001", "0.013", "n/a")
    assert (times(0.70148), times(2.0), times(None)) == ("0.701×", "2×", "n/a")


@pytest.mark.parametrize(
    ("values", "name", "size"),
    [([999.0], "pJ", 1.0), ([1000.0, 3.0], "nJ", 1e3), ([2.5e7, None], "µJ", 1e6), ([None], "pJ", 1.0), ([], "pJ", 1)],
)
def test_energy_unit_is_chosen_by_the_largest(values, name, size):
    unit = energy_unit(values)
    assert (unit.name, unit.size) == (name, size)


def test_units_divide_and_pass_on_what_is_missing():
    unit = count_unit([5.57e8])
    assert (unit.name, unit.of(5.57e8), unit.of(None)) == ("M", "557", "n/a")


@given(ODD)
@example("a|b")
@example("<script>alert(1)</script>")
@example("a\u2028b\x85c\nd")
@example("\\|")
@example("[x](javascript:1)")
def test_a_label_stays_in_its_cell_and_starts_no_html(label):
    text = Markdown().table(Table(["entry", "number"], [[Said(label), "1"], ["plain", "2"]]))
    lines = text.splitlines()
    assert len(lines) == 4
    assert {line.count("|") for line in lines} == {3}
    assert "<" not in text and ">" not in text
    assert not re.search(r"(?<!\\)[`*\[\]]", text)


@given(ODD)
def test_an_escaped_label_reads_as_it_was_written(label):
    shown = html.unescape(re.sub(r"\\([^\w\s])|\\(_)", lambda match: match[1] or match[2], escape(label)))
    entity_like = re.search(r"&\w+;|&#\d+;|\\", label)
    if not entity_like:
        assert shown.replace(" ", "") == "".join(mark for mark in label if _visible(mark))


def _visible(mark):
    return unicodedata.category(mark)[0] not in "CZ"


def test_underscores_inside_words_are_left_alone():
    assert escape("train.learning_rate") == "train.learning_rate"
    assert escape("_x_ a_") == r"\_x\_ a\_"


def test_latex_specials():
    assert Latex().said(r"50 % & a_b \x ~ ^ {} # $ ± ↑") == (
        r"50 \% \& a\_b \textbackslash{}x \textasciitilde{} \textasciicircum{} \{\} \# \$ $\pm$ $\uparrow$"
    )
