"""What an entry may say that somebody published for it."""

import pytest
from support.suites import problems

from bench.suite.load import load_suite

LAST = "tau = 2.0 }\ntimesteps = 4\n"  # of the entry that closes the suite


def expecting(write, expect):
    """Write the small suite, whose second entry expects this."""
    return write(expect=(LAST, f"{LAST}expect = {expect}\n"))


def test_a_published_accuracy_is_told_and_changes_no_key(write):
    plain = load_suite(write())
    assert all(entry.expect is None for entry in plain.spec.entries)
    suite = load_suite(expecting(write, '{ accuracy = 95, tolerance = 0.5, source = "A. Uthor 2024, table 1" }'))
    expect = suite.spec.entries[1].expect
    assert (expect.accuracy, expect.tolerance, expect.source) == (95.0, 0.5, "A. Uthor 2024, table 1")
    assert expect.of == "last"
    assert [run.key for run in suite.runs] == [run.key for run in plain.runs]
    assert [run.measure_key for run in suite.runs] == [run.measure_key for run in plain.runs]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"acuracy": 95.0}, "acuracy: unknown key; did you mean 'accuracy'?"),
        ({"tolerance": 0}, "tolerance: should be greater than 0, not 0"),
        ({"tolerance": -0.5}, "tolerance: should be greater than 0, not -0.5"),
        ({"tolerance": 100.5}, "tolerance: should be less than or equal to 100, not 100.5"),
        ({"accuracy": 100.1}, "accuracy: should be less than or equal to 100, not 100.1"),
        ({"accuracy": -1}, "accuracy: should be greater than or equal to 0, not -1"),
        ({"accuracy": '"95 %"'}, "accuracy: should be a valid number, not '95 %'"),
        ({"accuracy": "nan"}, "accuracy: should be a finite number, not nan"),
        ({"accuracy": None}, "accuracy: missing"),
        ({"source": None}, "source: missing"),
        ({"source": '""'}, "source: String should have at least 1 character, not ''"),
        ({"source": '"  "'}, "source: should hold no control characters and none of | < > `, and begin with a visible"),
        ({"source": '"two\\nlines"'}, "source: should hold no control characters and none of | < > `, and begin with"),
        ({"of": '"bets"'}, "of: 'bets' is not a choice; did you mean 'best'?"),
    ],
)
def test_what_cannot_be_meant_is_one_clear_message(write, changes, message):
    values = {"accuracy": 95.0, "tolerance": 0.5, "source": '"A. Uthor 2024"'} | changes
    written = ", ".join(f"{key} = {value}" for key, value in values.items() if value is not None)
    [found] = problems(expecting(write, f"{{ {written} }}"))
    assert found.startswith(f"entries[1] (LIF).expect.{message}")


def test_a_bare_number_is_no_expected_value(write):
    assert problems(expecting(write, "95.0")) == [
        "entries[1] (LIF).expect: should be a table of keys and values, not 95.0"
    ]
