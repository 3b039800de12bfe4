"""Means, differences over seeds and samples, and what they establish."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from support.crossed_by_hand import analysed

from bench.report.evidence.crossed import Components, Difference, components, difference
from bench.report.evidence.decisions import detectable, judge, letters, needed
from bench.report.evidence.statistics import interval, mcnemar, ratio_interval, summarise
from bench.suite.looks import Looks

ONCE = Looks.up_to(3, None)
RIGHT = st.integers(3, 12).flatmap(
    lambda samples: st.lists(
        st.tuples(*[st.lists(st.booleans(), min_size=samples, max_size=samples)] * 2), min_size=2, max_size=6
    )
)


def networks(seeds, samples, gap=0.0, seed=0):
    """Two networks of which the second is right about `gap` more of the samples, [N] by seed."""
    rng = np.random.default_rng(seed)
    hard = rng.random(samples)
    one, other = ({s: rng.random(samples) < 0.8 + 0.15 * hard - more for s in range(seeds)} for more in (gap, 0.0))
    return one, other


def of_interval(low, high, n=3):
    """A difference whose interval has these ends."""

    class Known(Difference):
        def half_width(self, components=None):
            return (high - low) / 2

    return Known(tuple(range(n)), (0.0,) * n, (low + high) / 2, None)


def test_mean_and_sd_with_n_minus_one():
    found = summarise([1.0, 2.0, 4.0])  # deviations -4/3, -1/3, 5/3: squares sum to 42/9; / 2 = 7/3
    assert (found.n, found.mean) == (3, pytest.approx(7 / 3))
    assert found.sd == pytest.approx(math.sqrt(7 / 3))


def test_one_value_has_no_sd_and_none_has_no_mean():
    assert (summarise([5.0]).mean, summarise([5.0]).sd) == (5.0, None)
    assert (summarise([]).n, summarise([]).mean, summarise([]).sd) == (0, None, None)


@settings(max_examples=40)
@given(RIGHT)
def test_a_difference_is_the_definitions(right):
    one, other = ({s: np.array(pair[which]) for s, pair in enumerate(right)} for which in (0, 1))
    found = difference(one, other, comparisons=3)
    mean, low, high, p = analysed(list(one.values()), list(other.values()), comparisons=3)
    ends = max(low, -100), min(high, 100)  # no accuracy is further below or above another
    assert (found.mean, found.low, found.high) == pytest.approx((mean, *ends), rel=1e-9, abs=1e-9)
    assert found.p == pytest.approx(p, rel=1e-6, abs=1e-12)


FOUR = st.integers(3, 12).flatmap(
    lambda samples: st.lists(
        st.tuples(*[st.lists(st.booleans(), min_size=samples, max_size=samples)] * 4), min_size=2, max_size=6
    )
)


def gains(right):
    """What the first of four networks gets right less the second, and the third less the fourth, [N] by seed."""
    a, b, c, d = ({s: np.array(four[which], dtype=int) for s, four in enumerate(right)} for which in range(4))
    return {s: a[s] - b[s] for s in a}, {s: c[s] - d[s] for s in c}


@settings(max_examples=40)
@given(FOUR)
def test_a_difference_of_differences_is_the_definitions(right):
    one, other = gains(right)
    found = difference(one, other, comparisons=3, size=2)
    mean, low, high, p = analysed(list(one.values()), list(other.values()), comparisons=3, size=2)
    assert (found.mean, found.low, found.high) == pytest.approx((mean, max(low, -200), min(high, 200)), abs=1e-9)
    assert found.p == pytest.approx(p, rel=1e-6, abs=1e-12)


def test_a_difference_of_differences_by_hand():
    # Three seeds, two samples: at sample 0 the first pair is 1 apart and the second -1, at sample 1 nothing is.
    one, other = {s: np.array([1, 0]) for s in range(3)}, {s: np.array([-1, 0]) for s in range(3)}
    found = difference(one, other, size=2)
    # All seeds are alike. z squared / 4 samples of 2 and as many of -2 beside the two: 5.8415 samples, mean 2 / 5.8415.
    weight = 2 + 1.959964**2 / 2
    parts, mean = found.components, 2 / weight
    of_samples = 3 * ((2 - mean) ** 2 + mean**2 + 1.959964**2 / 4 * ((2 - mean) ** 2 + (2 + mean) ** 2)) / (weight - 1)
    assert found.mean == 100 and found.reach == 200
    assert (parts.of_seeds, parts.of_samples) == (0, pytest.approx(of_samples, rel=1e-6))


def test_a_difference_by_hand():
    # Three seeds, two samples: only the one is right of sample 0 in seeds 0 and 1; else they agree.
    one, other = {s: np.array([s < 2, True]) for s in range(3)}, {s: np.array([False, True]) for s in range(3)}
    found = difference(one, other)
    assert (found.mean, found.by_seed) == (pytest.approx(100 / 3), (50.0, 50.0, 0.0))
    # Added: a sample of sum 3 and one of sum -3, each 1.96 squared / 4 times. Sums of seeds 1, 1, 0, of samples 2, 0.
    parts, added = found.components, 1.959964**2 / 4
    size = 2 + 2 * added
    correction = 4 / (3 * size)
    seeds, samples = 2 / size - correction, 4 / 3 + 6 * added - correction
    assert parts.of_seeds == pytest.approx(seeds / 2)
    assert parts.of_samples == pytest.approx(samples / (size - 1))
    assert parts.rest == pytest.approx((2 + 6 * added - correction - seeds - samples) / (2 * (size - 1)))
    assert parts.real_samples == 2


@settings(max_examples=40)
@given(RIGHT, st.integers(1, 20))
def test_p_is_below_five_percent_exactly_where_the_interval_excludes_zero(right, comparisons):
    one, other = ({s: np.array(pair[which]) for s, pair in enumerate(right)} for which in (0, 1))
    found = difference(one, other, comparisons)
    assert (found.p < 0.05) == (found.low > 0 or found.high < 0)
    back = difference(other, one, comparisons)
    assert (back.mean, back.low, back.high, back.p) == pytest.approx((-found.mean, -found.high, -found.low, found.p))


def test_seeds_alone_decide_where_there_is_no_end_of_samples():
    # Every sample alike within a seed: what is left is Student's t over seeds.
    gaps = {0: 0.010, 1: 0.014, 2: 0.018}
    size = 500_000
    one = {s: np.arange(size) < size * (0.5 + gap) for s, gap in gaps.items()}
    other = {s: np.arange(size) < size * 0.5 for s in gaps}
    rng = np.random.default_rng(0)
    for s in gaps:  # seeds disagree about other samples each
        order = rng.permutation(size)
        one[s], other[s] = one[s][order], other[s][order]
    found = difference(one, other)
    t = stats.t.ppf(0.975, 2) * 0.4 / math.sqrt(3)
    assert found.high - found.mean == pytest.approx(t, rel=0.05)


def test_only_seeds_that_both_have_are_paired():
    one, other = networks(4, 50)
    found = difference({s: one[s] for s in (3, 1, 0)}, {s: other[s] for s in (0, 1, 2)})
    assert found.seeds == (0, 1) and found.n == 2
    assert difference(one, {0: other[0][:40]}).mean is None  # not the same samples
    for odd in range(4):  # one seed has other samples, whichever it is
        cut = ({s: right[: 40 + 10 * (s != odd)] for s, right in network.items()} for network in (one, other))
        assert difference(*cut).seeds == tuple(s for s in range(4) if s != odd)
    assert difference({0: one[0][:0]}, {0: other[0][:0]}).mean is None


def test_networks_that_agree_in_everything_have_an_interval_of_some_width():
    one, _ = networks(3, 100)
    found = difference(one, one)
    assert (found.mean, found.p) == (0.0, 1.0) and found.low < -1.0 and found.high > 1.0
    assert not judge(found, 0.5).established


def test_one_seed_and_no_seed_establish_nothing():
    one, other = networks(1, 100)
    single, none = difference(one, other), difference(one, {})
    assert single.low is None and single.p is None and single.sd is None
    assert none.mean is None and none.n == 0
    for found in (single, none):
        assert not judge(found, 0.5).established and detectable(found) is None and needed(found, 0.5, ONCE) is None


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (of_interval(0.01, 2.0), "better"),
        (of_interval(-2.0, -0.01), "worse"),
        (of_interval(-0.49, 0.49), "as accurate"),
        (of_interval(-0.4, -0.1), "worse, but as accurate"),
        (of_interval(-0.51, 0.2), "not established"),
        (of_interval(-0.2, 0.5), "not established"),
        (of_interval(0.01, 2.0, n=2), "not established"),
        (of_interval(-0.1, 0.1, n=2), "not established"),
        (of_interval(0.0, 2.0), "not established"),
    ],
)
def test_verdict_categories(found, words):
    assert judge(found, 0.5).words == words


@pytest.mark.parametrize(("of_seeds", "seeds"), [(1.0, 3), (1.0, 10), (0.5, 3), (0.0, 5)])
def test_what_can_be_detected_is_detected_four_times_in_five(of_seeds, seeds):
    # Differences drawn from the model itself: the mean normal, the variance of seeds chi squared.
    samples, rng = 1000, np.random.default_rng(0)
    parts = Components(seeds, samples, 1 + 3 * of_seeds, 1 + 3 * (1 - of_seeds), 1.0)
    found = of_parts(parts, 0.0, comparisons=4)
    true = detectable(found) / 100
    share = parts.from_seeds
    squares = rng.chisquare(seeds - 1, 20_000) / (seeds - 1) * share
    quantiles = [stats.t.isf(0.05 / 4 / 2, n - 1) ** 2 for n in (seeds, samples)]
    half = np.sqrt((squares * quantiles[0] + (1 - share) * quantiles[1]) * parts.variance)
    assert np.mean(rng.normal(true, parts.variance**0.5, 20_000) > half) == pytest.approx(0.8, abs=0.01)


def test_nothing_is_detectable_with_fewer_seeds_than_a_claim_needs_or_beyond_all_samples():
    one, other = networks(2, 100)
    assert detectable(difference(one, other)) is None and detectable(difference(one, other), 20) > 0
    one, other = networks(3, 1)
    assert detectable(difference(one, other)) is None


def of_parts(parts, mean, comparisons=1):
    """A difference of a mean in points with these components."""
    return Difference(tuple(range(parts.seeds)), (mean,) * parts.seeds, mean, parts, comparisons)


@pytest.mark.parametrize(("mean", "margin"), [(1.0, 0.5), (0.0, 0.5), (0.1, 0.5), (1.3, 0.1)])
def test_what_is_needed_settles_with_a_chance_of_four_in_five(mean, margin):
    found = of_parts(Components(3, 100_000.0, 2.5, 0.15, 0.05), mean)  # sd of a seed: 0.5 points
    more = needed(found, margin, ONCE)

    def chance(seeds):
        parts = found.components.expected(seeds)
        rng = np.random.default_rng(1)
        share, drawn = parts.from_seeds, 20_000
        squares = rng.chisquare(seeds - 1, drawn) / (seeds - 1) * share
        quantiles = [stats.t.isf(0.025, n - 1) ** 2 for n in (seeds, parts.samples)]
        half = 100 * np.sqrt((squares * quantiles[0] + (1 - share) * quantiles[1]) * parts.variance)
        at = rng.normal(mean, 100 * parts.variance**0.5, drawn)
        return max(np.mean(at > half), np.mean(np.abs(at) + half < margin))

    assert chance(more.seeds) > 0.79
    assert more.seeds > 3 and chance(more.seeds - 1) < 0.81


def test_more_test_samples_are_asked_for_where_no_number_of_seeds_is_enough():
    # All chance lies in the samples, of whose variance of 0.2 / 3 no seed takes anything away.
    found = of_parts(Components(3, 500.0, 0.1, 0.3, 0.1), 0.2)
    more = needed(found, 0.5, ONCE)
    error = 100 * math.sqrt((0.2 / 3 + 0.1 / more.seeds) / more.samples)
    assert 0.3 - 1.96 * error > 0.84 * error and more.samples % 500 == 0
    fewer = 100 * math.sqrt((0.2 / 3 + 0.1 / 100) / (more.samples / 2))
    assert 0.3 - 1.96 * fewer < 0.85 * fewer
    ten_times = needed(of_parts(Components(3, 500.0, 0.1, 0.3, 0.1), 0.2), 0.5, Looks.up_to(3, 20))
    assert ten_times.seeds == 20


def test_expected_components_of_the_same_evidence_are_the_components():
    parts = components(np.random.default_rng(0).integers(-1, 2, (5, 300)) * (np.arange(300) % 3 == 0), 0.05)
    again = parts.expected()
    assert again.rest == parts.rest and again.of_samples == pytest.approx(max(parts.of_samples, parts.rest))


@settings(max_examples=60)
@given(st.integers(1, 7), st.data())
def test_two_entries_share_a_letter_exactly_where_they_are_not_different(count, data):
    order = [f"e{index}" for index in range(count)]
    every = [frozenset((one, other)) for at, one in enumerate(order) for other in order[at + 1 :]]
    different = set(data.draw(st.lists(st.sampled_from(every), unique=True))) if every else set()
    found = letters(order, different)
    for pair in every:
        one, other = pair
        assert bool(set(found[one]) & set(found[other])) == (pair not in different)
    assert all(found.values())


def test_letters_of_a_line():
    different = {frozenset("ac"), frozenset("ad"), frozenset("bd")}
    assert letters(list("abcd"), different) == {"a": "a", "b": "ab", "c": "bc", "d": "c"}


def test_mcnemar_by_hand():
    baseline = np.array([1, 1, 1, 1, 0, 1], dtype=bool)
    entry = np.array([0, 0, 0, 0, 1, 1], dtype=bool)
    found = mcnemar(baseline, entry)
    assert (found.only_baseline, found.only_entry) == (4, 1)
    assert found.p == pytest.approx(2 * (1 + 5) / 2**5)  # P(0 or 1 of 5 heads), both tails
    assert mcnemar(baseline, baseline).p == 1.0


def test_the_interval_of_a_mean_is_students():
    assert interval(summarise([1.0, 2.0])) is None
    low, high = interval(summarise([1.0, 2.0, 4.0]), 0.05)
    half = 4.302653 * math.sqrt(7 / 3) / math.sqrt(3)  # Student's quantile for two degrees of freedom
    assert (low, high) == pytest.approx((7 / 3 - half, 7 / 3 + half), rel=1e-6)


def test_the_interval_of_a_ratio_is_of_logarithms_paired_by_seed():
    one, other = {0: 2.0, 1: 8.0, 2: 4.0, 5: 1.0}, {0: 1.0, 1: 2.0, 2: 2.0, 3: 9.0}
    half = 4.302653 * math.log(2) * math.sqrt(1 / 3) / math.sqrt(3)  # logs of 2, 4, 2: sd log 2 / sqrt 3
    low, high = ratio_interval(one, other)
    middle = 16 ** (1 / 3)
    assert (low, high) == pytest.approx((middle * math.exp(-half), middle * math.exp(half)), rel=1e-6)
    assert ratio_interval({0: 1.0, 1: 2.0}, other) is None
    assert ratio_interval(dict.fromkeys(range(3), 4.0), dict.fromkeys(range(3), 2.0)) == pytest.approx((2.0, 2.0))


def test_a_look_that_may_spend_half_of_the_chance_has_the_interval_of_twice_as_many_comparisons():
    one, other = networks(5, 200, 0.02)
    half, twice = difference(one, other, 3, share=0.5), difference(one, other, 6)
    assert (half.low, half.high, half.p) == pytest.approx((twice.low, twice.high, twice.p))


def test_more_seeds_are_asked_for_at_looks_alone():
    one, other = networks(5, 1000, 0.025)
    looks = Looks.up_to(5, 20)
    found = difference(one, other, share=looks.share(5))
    assert not judge(found, 0.5).established
    more = needed(found, 0.5, looks)
    assert (more.seeds, more.samples) == (15, None) and needed(found, 0.5, ONCE).seeds < 15
    parts = found.components.expected(more.seeds)
    assert abs(found.mean) > difference(one, other, share=looks.share(more.seeds)).half_width(parts)


def test_letters_end_where_the_alphabet_does():
    # Twelve pairs that are told apart within, and from nobody else, make 2 ** 12 groups.
    names = [f"{number}{side}" for number in range(12) for side in "ab"]
    apart = {frozenset((f"{number}a", f"{number}b")) for number in range(12)}
    assert letters(names, apart) is None
    few = letters(names[:8], {pair for pair in apart if pair <= set(names[:8])})
    assert len(set("".join(few.values()))) == 2**4


def test_the_chance_that_a_true_difference_of_the_margin_is_called_none_is_held_where_errors_are_rare():
    # Errors on top, alike in all seeds: the hardest case for an interval from few disagreements.
    rng, called, repeats = np.random.default_rng(1), 0, 1500
    for _ in range(repeats):
        one = np.broadcast_to(rng.random(2000) < 0.95, (3, 2000))
        other = one & ~np.broadcast_to(rng.random(2000) < 0.005 / 0.95, (3, 2000))
        found = difference(dict(enumerate(one)), dict(enumerate(other)), comparisons=10)
        called += judge(found, 0.5).as_accurate
    assert called / repeats < 0.006  # nominal 0.0025; half a sample a side gave 0.0107
