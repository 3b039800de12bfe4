"""Entries ranked over several suites."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from support.reports import cells, make_record, make_suite

from bench.errors import BenchError
from bench.report.evidence.comparison import compare
from bench.report.evidence.ranks import Ranks, holm, rank
from bench.report.formats.markdown import Markdown
from bench.report.sections.ranks import ranked

TABLES = st.integers(2, 8).flatmap(
    lambda suites: st.lists(st.lists(st.integers(0, 4), min_size=3, max_size=3), min_size=suites, max_size=suites)
)


def of(accuracies):
    rows = np.asarray(accuracies, dtype=float)
    return Ranks(tuple(map(str, range(len(rows)))), tuple("ABCDEFGH"[: rows.shape[1]]), rows)


def test_average_ranks_share_the_mean_of_ties():
    found = of([[90, 80, 80], [90, 95, 70]])
    assert found.average == {"A": 1.5, "B": 1.75, "C": 2.75}


@given(TABLES)
def test_friedmans_test_is_scipys_in_the_form_of_iman_and_davenport(table):
    found, rows = of(table), np.asarray(table, dtype=float)
    suites, entries = rows.shape
    if all(len(set(row)) == 1 for row in table):
        assert found.friedman_p == 1.0
        return
    chi = stats.friedmanchisquare(*rows.T).statistic
    left = suites * (entries - 1) - chi
    if left < 1e-9:
        assert found.friedman_p == 0.0
        return
    f = (suites - 1) * chi / left
    assert found.friedman_p == pytest.approx(stats.f.sf(f, entries - 1, (entries - 1) * (suites - 1)), rel=1e-9)


def test_the_critical_difference_is_demsars():
    # Demsar 2006, section 3.2.4: four classifiers on 14 data sets, 2.569 sqrt(4 x 5 / (6 x 14)) = 1.25.
    found = of(np.random.default_rng(0).random((14, 4)))
    assert found.critical_difference == pytest.approx(2.569 * (20 / 84) ** 0.5, abs=1e-3)


def test_holms_method_by_hand():
    assert holm([0.04, 0.01, 0.03]) == pytest.approx([0.06, 0.03, 0.06])
    assert holm([0.5, 0.9]) == [1.0, 1.0] and holm([]) == []


def test_pairs_by_hand():
    # A - B: +1, +2, +3, +4, +5, 0: Wilcoxon of five differences of one sign, 2 / 2 ** 5; two entries are one pair.
    found = of([[60 + gap, 60] for gap in (1, 2, 3, 4, 5, 0)])
    [pair] = found.pairs
    assert (pair.wins, pair.ties, pair.losses, pair.mean_difference) == (5, 1, 0, 2.5)
    assert pair.p == pytest.approx(2 / 2**5) and found.friedman_p is None and found.least_p == 2**-5


def comparison(name, labels, accuracy):
    suite = make_suite(labels=labels, name=name)
    records = [make_record(run).model_copy(update={"accuracy_fraction": accuracy[run.label]}) for run in suite.runs]
    return compare(suite, records)


def test_entries_that_all_suites_have_are_ranked():
    shares = {"ANN": 0.9, "LIF": 0.8, "CLIF": 0.85}
    one = comparison("one", ("ANN", "LIF", "CLIF"), shares)
    other = comparison("other", ("ANN", "LIF"), shares)
    found = rank([one, other])
    assert found.entries == ("ANN", "LIF") and found.average == {"ANN": 1.0, "LIF": 2.0}
    page = Markdown().blocks(ranked(found))
    assert cells(page.split("\n\n")[0])[1] == ["ANN", "1.00", "1 (90.00)", "1 (90.00)"]
    assert "With 2 suites no pair can have a p below 0.5 before correction." in page
    with pytest.raises(BenchError, match="two suites or more"):
        rank([one])
    with pytest.raises(BenchError, match="one has ANN, LIF, CLIF; third has Other"):
        rank([one, comparison("third", ("Other",), {"Other": 0.5})])


def test_as_many_right_samples_are_a_tie_however_the_seeds_share_them():
    def with_right(name, right):
        suite = make_suite(labels=("ANN", "LIF"), name=name)
        counts = {"ANN": (350, 350, 352), "LIF": (350, 351, 351)}
        shares = {run.key: counts[run.label][run.seed] / right for run in suite.runs}
        made = [make_record(run).model_copy(update={"accuracy_fraction": shares[run.key]}) for run in suite.runs]
        return compare(suite, made)

    [pair] = rank([with_right("one", 360), with_right("two", 360)]).pairs
    assert (pair.wins, pair.ties, pair.losses, pair.p) == (0, 2, 0, 1.0)


def test_what_has_not_finished_is_named():
    shares = {"ANN": 0.9, "LIF": 0.8}
    whole, suite = comparison("one", ("ANN", "LIF"), shares), make_suite(labels=("ANN", "LIF"), name="two")
    part = compare(suite, [make_record(run) for run in suite.runs if run.label == "ANN" or run.seed == 0])
    assert rank([whole, part]).unfinished == ("1 of 3 runs of LIF in two",)
    assert "Not all has finished: 1 of 3 runs of LIF in two." in Markdown().blocks(ranked(rank([whole, part])))
    assert "Not all" not in Markdown().blocks(ranked(rank([whole, comparison("two", ("ANN", "LIF"), shares)])))
