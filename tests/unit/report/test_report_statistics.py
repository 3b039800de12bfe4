import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from bench.report.evidence.statistics import (
    PairedDifference,
    half_width_in_sd,
    holm,
    judge,
    mcnemar,
    paired_difference,
    summarise,
)

PERCENT = st.integers(0, 10_000).map(lambda right: right / 100)


def by_seed(*values):
    return dict(enumerate(values))


def interval(low, high, n=3):
    return PairedDifference(tuple(range(n)), (low + high) / 2, 0.1, low, high, 0.5)


def test_mean_and_sd_with_n_minus_one():
    found = summarise([1.0, 2.0, 4.0])  # deviations -4/3, -1/3, 5/3: squares sum to 42/9; / 2 = 7/3
    assert (found.n, found.mean) == (3, pytest.approx(7 / 3))
    assert found.sd == pytest.approx(math.sqrt(7 / 3))


def test_one_value_has_no_sd_and_none_has_no_mean():
    assert (summarise([5.0]).mean, summarise([5.0]).sd) == (5.0, None)
    assert (summarise([]).n, summarise([]).mean, summarise([]).sd) == (0, None, None)


def test_half_width_at_three_seeds_is_two_and_a_half_sd():
    # Student's t with 2 degrees of freedom has the closed form t = (2p - 1) sqrt(2 / (4 p (1 - p))); p = 0.975.
    t = 0.95 * math.sqrt(2 / (4 * 0.975 * 0.025))
    assert half_width_in_sd(3) == pytest.approx(t / math.sqrt(3), rel=1e-9)
    assert f"{half_width_in_sd(3):.1f}" == "2.5"


def test_paired_difference_by_hand():
    found = paired_difference(by_seed(90.0, 91.0, 92.0), by_seed(89.0, 89.8, 90.6))
    half = 0.2 * half_width_in_sd(3)
    t = 1.2 / (0.2 / math.sqrt(3))
    assert found.seeds == (0, 1, 2)
    assert (found.mean, found.sd) == (pytest.approx(-1.2), pytest.approx(0.2))
    assert (found.low, found.high) == (pytest.approx(-1.2 - half), pytest.approx(-1.2 + half))
    assert found.p == pytest.approx(1 - t / math.sqrt(2 + t * t))  # exact for 2 degrees of freedom


@settings(max_examples=25)
@given(st.lists(st.tuples(PERCENT, PERCENT), min_size=2, max_size=8))
def test_paired_difference_is_scipys(pairs):
    base, entry = by_seed(*[one for one, _ in pairs]), by_seed(*[two for _, two in pairs])
    differences = {round(two - one, 9) for one, two in pairs}
    found = paired_difference(base, entry)
    if len(differences) == 1:
        assert (found.low, found.high, found.p) == (None, None, None)
        return
    # From the exact hundredths: near-equal floats would make scipy warn of cancellation.
    test = stats.ttest_1samp([round(two - one, 9) for one, two in pairs], 0.0)
    expected = test.confidence_interval(0.95)
    assert found.p == pytest.approx(test.pvalue, rel=1e-9)
    assert (found.low, found.high) == (pytest.approx(expected.low, abs=1e-9), pytest.approx(expected.high, abs=1e-9))


def test_only_seeds_that_both_have_are_paired():
    found = paired_difference({0: 90.0, 1: 91.0, 2: 92.0}, {2: 93.0, 0: 90.5, 7: 10.0})
    assert (found.seeds, found.mean) == ((0, 2), pytest.approx(0.75))


def test_equal_differences_have_no_interval_although_floats_differ():
    assert 90.3 - 90.2 != 9.3 - 9.2
    found = paired_difference(by_seed(90.2, 9.2, 92.2), by_seed(90.3, 9.3, 92.3))
    assert (found.mean, found.sd, found.low, found.p) == (pytest.approx(0.1), 0.0, None, None)
    verdict = judge(found, 0.5)
    assert (verdict.direction, verdict.as_accurate) == (None, False)


def test_one_seed_and_no_seed_establish_nothing():
    one, none = paired_difference({0: 90.0}, {0: 99.0}), paired_difference({0: 90.0}, {1: 99.0})
    assert (one.n, one.mean, one.low) == (1, 9.0, None)
    assert (none.n, none.mean, none.low) == (0, None, None)
    assert not judge(one, 0.5).established and not judge(none, 0.5).established


@pytest.mark.parametrize(
    ("difference", "direction", "as_accurate"),
    [
        (interval(0.01, 2.0), "better", False),
        (interval(-2.0, -0.01), "worse", False),
        (interval(-0.49, 0.49), None, True),
        (interval(-0.4, -0.1), "worse", True),
        (interval(-0.51, 0.2), None, False),
        (interval(-0.2, 0.5), None, False),
        (interval(0.01, 2.0, n=2), None, False),
        (interval(-0.1, 0.1, n=2), None, True),
        (interval(0.0, 2.0), None, False),
    ],
)
def test_verdict_categories(difference, direction, as_accurate):
    found = judge(difference, 0.5)
    assert (found.direction, found.as_accurate) == (direction, as_accurate)


def test_holm_by_hand():
    # Sorted 0.01 x 4, 0.02 x 3, 0.03 x 2 (0.06, as high as the one before), 0.5 x 1.
    assert holm([0.03, 0.01, None, 0.5, 0.02]) == [
        pytest.approx(0.06),
        pytest.approx(0.04),
        None,
        0.5,
        pytest.approx(0.06),
    ]
    assert holm([]) == [] and holm([None]) == [None] and holm([0.9, 0.8]) == [1.0, 1.0]


@given(st.lists(st.floats(0, 1), max_size=8))
def test_holm_is_between_p_and_bonferroni_and_keeps_the_order(p_values):
    corrected = holm(p_values)
    for p, q in zip(p_values, corrected, strict=True):
        assert p <= q <= min(1.0, p * len(p_values)) or q == pytest.approx(min(1.0, p * len(p_values)))
    assert [corrected[i] for i in np.argsort(p_values, kind="stable")] == sorted(corrected)


def test_mcnemar_by_hand():
    baseline = np.array([1, 1, 1, 1, 0, 1], dtype=bool)
    entry = np.array([0, 0, 0, 0, 1, 1], dtype=bool)
    found = mcnemar(baseline, entry)
    assert (found.only_baseline, found.only_entry) == (4, 1)
    assert found.p == pytest.approx(2 * (1 + 5) / 2**5)  # P(0 or 1 of 5 heads), both tails
    assert mcnemar(baseline, baseline).p == 1.0
