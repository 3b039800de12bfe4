"""Suites in which every seed has test samples of its own: what is compared, how, and what is said of it."""

import math
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from support.reports import cells, fold_of_seed, make_record, make_suite, section
from support.resampled_by_hand import analysed, squares_of

from bench.records.correct import pack_correct
from bench.records.record import RunRecord
from bench.report.evidence.comparison import compare
from bench.report.evidence.crossed import Difference
from bench.report.evidence.decisions import detectable, judge, needed
from bench.report.evidence.evidence import Evidence
from bench.report.evidence.expected import expected_values
from bench.report.evidence.pricing import DENSE
from bench.report.evidence.ranks import rank
from bench.report.evidence.resampled import Resampled, resampled, resampled_difference, shared_folds
from bench.report.evidence.statistics import interval, ratio_interval, summarise
from bench.report.page import render_page, render_report
from bench.suite.looks import Looks

ONCE = Looks.up_to(3, None)
DATASET = {"name": "digits", "test_split": "folds"}
RIGHT = st.lists(  # of each seed what two networks got right of its own samples
    st.integers(3, 12).flatmap(lambda n: st.tuples(*[st.lists(st.booleans(), min_size=n, max_size=n)] * 2)),
    min_size=2,
    max_size=12,
)


def folds(seeds, train_samples=1200):
    return {seed: fold_of_seed(seed, train_samples) for seed in range(seeds)}


def bits(values):
    return {seed: np.array(each, dtype=bool) for seed, each in enumerate(values)}


def apart(seeds, samples, gap=0.0, draw=0):
    """Two networks of which the first is right about `gap` more of the samples, [N] by seed."""
    rng = np.random.default_rng(draw)
    one, other = {}, {}
    for seed in range(seeds):
        hard = rng.random(samples)
        one[seed], other[seed] = (rng.random(samples) < 0.8 + 0.15 * hard + more for more in (gap, 0.0))
    return one, other


def suite_of(seeds=10, **changes):
    return make_suite(seeds=range(seeds), dataset=DATASET, **changes)


def record_of(run, right, **changes):
    """The record of a run that got these of its own test samples right."""
    right = np.asarray(right, dtype=bool)
    share = float(right.mean())
    kept = {"correct": pack_correct(right), "test_samples": right.size, "accuracy_fraction": share}
    return make_record(run, **{"best_accuracy_fraction": share, "fold": fold_of_seed(run.seed)} | kept | changes)


def random_records(suite, samples=300, draw=0, **levels):
    """Records of a suite: of each entry's runs about a share of `levels`, else 90 %, is right."""
    rng, found = np.random.default_rng(draw), []
    hard = {seed: rng.random(samples + (seed % 5 < 2)) for seed in suite.spec.seeds}
    for run in suite.runs:
        right = hard[run.seed] < levels.get(run.label, 0.9) + rng.normal(0, 0.005)
        found.append(record_of(run, right))
    return found


def test_a_difference_by_hand():
    # Four samples a seed, of one partition; only the one is right about 2, 1 and 0 of them: 50, 25 and 0 points.
    one = bits([[1, 1, 0, 0], [1, 0, 0, 0], [0, 1, 0, 0]])
    other = bits([[0, 0, 0, 0], [0, 0, 0, 0], [0, 1, 0, 0]])
    found = resampled_difference(one, other, folds(3, train_samples=16))
    assert (found.seeds, found.by_seed, found.mean) == ((0, 1, 2), (50.0, 25.0, 0.0), 25.0)
    assert found.sd == pytest.approx(25.0)
    # 3 of 12 samples differ, and 1.96 squared / 2 of 13.92 more: a sample has the variance 0.353 - 0.2155 squared.
    added = 1.959964**2 / 2
    of_sample = (3 + added) / (12 + added) - (3 / (12 + added)) ** 2
    parts = found.components
    assert (parts.overlap, parts.of_seeds) == (0.25, pytest.approx(0.0625))
    assert parts.of_sample == pytest.approx(of_sample) and of_sample / 4 > 0.0625
    half = 100 * 4.302653 * math.sqrt((1 / 3 + 1 / 4) * of_sample / 4)
    assert found.half_width() == pytest.approx(half, rel=1e-6) and half > 75
    assert (found.low, found.high) == (pytest.approx(25 - half, rel=1e-6), 100)  # no accuracy is further above another


def test_seeds_that_differ_more_than_their_samples_explain_make_the_variance():
    one = {seed: np.arange(1000) < 800 + 20 * seed for seed in range(5)}
    other = {seed: np.arange(1000) < 800 for seed in range(5)}
    found = resampled_difference(one, other, folds(5, train_samples=4000))
    # 0, 2, 4, 6, 8 points: mean 4, variance 10; t of 4 degrees of freedom 2.776445; (1/5 + 1/4) 10 = 4.5
    half = 2.776445 * math.sqrt(4.5)
    assert (found.mean, found.low, found.high) == pytest.approx((4.0, 4 - half, 4 + half), rel=1e-6)


@settings(max_examples=40, deadline=None)
@given(RIGHT, st.integers(1, 20))
def test_a_difference_is_the_definitions(right, comparisons):
    one, other = (bits([pair[which] for pair in right]) for which in (0, 1))
    which = {seed: fold_of_seed(seed, train_samples=30 + seed) for seed in one}
    found = resampled_difference(one, other, which, comparisons)
    partitions, trained = zip(*((fold.repetition, fold.train_samples) for fold in which.values()), strict=True)
    mean, low, high, p = analysed(list(one.values()), list(other.values()), partitions, trained, comparisons)
    ends = max(low, -100), min(high, 100)  # no accuracy is further below or above another
    assert (found.mean, found.low, found.high) == pytest.approx((mean, *ends), rel=1e-9, abs=1e-9)
    assert found.p == pytest.approx(p, rel=1e-6, abs=1e-12)
    assert (found.p < 0.05) == (found.low > 0 or found.high < 0)
    back = resampled_difference(other, one, which, comparisons)
    assert (back.mean, back.low, back.high, back.p) == pytest.approx((-mean, -found.high, -found.low, found.p))


@settings(max_examples=40, deadline=None)
@given(st.lists(st.lists(st.integers(-2, 2), min_size=3, max_size=12), min_size=2, max_size=7), st.integers(1, 20))
def test_a_difference_of_differences_is_the_definitions(apart, comparisons):
    one = {seed: np.array(values) for seed, values in enumerate(apart)}
    other = {seed: np.zeros(len(values), dtype=int) for seed, values in enumerate(apart)}
    which = {seed: fold_of_seed(seed, train_samples=30 + seed) for seed in one}
    found = resampled_difference(one, other, which, comparisons, size=2)
    partitions, trained = zip(*((fold.repetition, fold.train_samples) for fold in which.values()), strict=True)
    mean, low, high, p = analysed(list(one.values()), list(other.values()), partitions, trained, comparisons, size=2)
    assert (found.mean, found.low, found.high) == pytest.approx((mean, max(low, -200), min(high, 200)), abs=1e-9)
    assert found.p == pytest.approx(p, rel=1e-6, abs=1e-12)


@pytest.mark.parametrize("seeds", [3, 5, 10])
@pytest.mark.parametrize("only", [0, 1])
def test_differences_that_are_alike_in_every_seed_decide_nothing_by_being_alike(seeds, only):
    # No sample, or one of 100 in every seed, on which the one alone is right: no spread over seeds at all.
    one = {seed: np.arange(100) < 90 for seed in range(seeds)}
    other = {seed: np.arange(100) < 90 - only for seed in range(seeds)}
    found = resampled_difference(one, other, folds(seeds, train_samples=400))
    assert found.mean == only and found.sd == 0.0 and found.p > 0.05
    assert found.low < 0 < found.high and not judge(found, 0.5).established
    if not only:
        assert found.p == 1.0


def test_one_seed_and_no_seed_establish_nothing():
    one, other = apart(1, 100)
    single, none = resampled_difference(one, other, folds(1)), resampled_difference(one, other, {})
    assert (single.n, single.low, single.p, single.sd) == (1, None, None, None) and single.mean is not None
    assert (none.n, none.mean) == (0, None)
    for found in (single, none):
        assert not judge(found, 0.5).established and detectable(found) is None and needed(found, 0.5, ONCE) is None


def test_more_seeds_take_the_variance_down_to_the_overlap_and_no_further():
    parts = Resampled(5, 360.0, 0.25, 4e-4, 0.01)
    assert parts.variance == pytest.approx((1 / 5 + 0.25) * 4e-4)
    assert parts.expected(10_000).variance == pytest.approx(0.2501 * 4e-4)
    again = parts.expected()
    assert again.variance == pytest.approx(parts.variance) and again.seeds == 5
    # four times the samples take away from their own part, 0.01 / 360, alone
    assert parts.expected(5, 1440.0).of_one_seed == pytest.approx(4e-4 - 0.75 * 0.01 / 360)


@pytest.mark.parametrize("seeds", [3, 10])
def test_what_can_be_detected_is_detected_four_times_in_five(seeds):
    one, other = apart(seeds, 500)
    found = resampled_difference(one, other, folds(seeds, 2000), comparisons=4)
    parts, rng, drawn = found.components, np.random.default_rng(0), 20_000
    true = detectable(found) / 100
    deviations = np.sqrt(rng.chisquare(seeds - 1, drawn) / (seeds - 1) * parts.variance)
    half = stats.t.isf(0.05 / 4 / 2, seeds - 1) * deviations
    assert np.mean(rng.normal(true, parts.variance**0.5, drawn) > half) == pytest.approx(0.8, abs=0.01)
    assert detectable(found, 100) > 2.8 * 100 * (0.25 * parts.of_one_seed) ** 0.5


def of_parts(parts, mean):
    """A difference of a mean in points with this variance."""
    return Difference(tuple(range(parts.seeds)), (mean,) * parts.seeds, mean, parts)


def test_seeds_are_asked_for_where_they_are_enough_and_else_more_samples():
    # A seed's standard deviation is half a point; at n seeds that of the mean 0.5 sqrt(1/n + 1/4).
    found = of_parts(Resampled(5, 360.0, 0.25, 0.005**2, 0.001), 0.8)
    more = needed(found, 0.5, ONCE)
    assert not judge(found, 0.5).established and more.samples is None

    def chance(seeds):
        error, rng = 0.5 * math.sqrt(1 / seeds + 0.25), np.random.default_rng(0)
        deviations = error * np.sqrt(rng.chisquare(seeds - 1, 100_000) / (seeds - 1))
        return np.mean(rng.normal(0.8, error, 100_000) > stats.t.isf(0.025, seeds - 1) * deviations)

    assert chance(more.seeds) > 0.795 and chance(more.seeds - 1) < 0.805
    # All of the chance lies in the samples: of many seeds a quarter of it remains, too much until there are more.
    open_ = of_parts(Resampled(5, 360.0, 0.25, 0.03 / 360, 0.03), 0.1)
    more = needed(open_, 0.5, ONCE)
    assert (more.seeds, more.samples) in [
        (seeds, times * 360) for seeds in (10, 20, 50, 100) for times in (2, 4, 8, 16)
    ]
    # Luck of seeds that no sample takes away, of 1 point: its quarter is too much for a margin of half a point.
    lucky = of_parts(Resampled(5, 360.0, 0.25, 0.01**2 + 0.01 / 360, 0.01), 0.1)
    assert needed(lucky, 0.5, ONCE) is None


def test_only_seeds_with_the_same_test_samples_are_paired():
    one, other = folds(4), {1: fold_of_seed(1, 1000), 2: fold_of_seed(2, test="others"), 3: fold_of_seed(3), 9: None}
    found = shared_folds(one, {seed: fold for seed, fold in other.items() if fold})
    assert found == {1: fold_of_seed(1, 1000), 3: fold_of_seed(3)}  # the smaller training split makes it wider


def test_bits_of_different_samples_are_never_compared():
    suite = suite_of(4)
    records = random_records(suite)

    def strayed(record):
        stray = fold_of_seed(3, test="other samples")
        return record.model_copy(update={"fold": stray}) if (record.label, record.seed) == ("LIF", 3) else record

    def unsaid(record):
        return record.model_copy(update={"fold": None}) if record.label == "CLIF" else record

    records = [unsaid(strayed(record)) for record in records]
    comparison = compare(suite, records)
    assert comparison.differences["LIF"].seeds == (0, 1, 2)
    assert comparison.differences["CLIF"].mean is None
    page = render_report(suite, records)
    assert "Seed 3: not compared, as the test samples are not the baseline's." in section(page, "Verdict")
    assert "has no finished seed with ANN on the same test samples" in section(page, "Verdict")
    rows = cells(section(page, "Sample by sample").strip().split("\n\n")[-1])[1:]
    assert [row[:2] for row in rows] == [["LIF", "0"], ["LIF", "1"], ["LIF", "2"]]
    assert "**not matched**" in section(page, "Match")


def test_a_report_says_which_samples_are_tested_and_how_they_are_compared():
    suite = suite_of()
    page = render_report(suite, random_records(suite, CLIF=0.7))
    top = page.partition("\n## ")[0]
    assert "seed s tests fold s mod 5 of partition s div 5: 300 to 301 test, 1,200 train." in " ".join(top.split())
    compared = " ".join(section(page, "Accuracy compared").split())
    assert "(1/n + n_test/n_train) s² (Nadeau & Bengio 2003; n_test/n_train is 0.25 here)" in compared
    assert "crossed analysis" not in page and "with n - 1 degrees of freedom" in compared
    assert "all 2 intervals hold at once with 95 %" in compared
    assert "No number of seeds takes the variance of the mean below n_test/n_train" in compared
    assert "**CLIF** is less accurate than ANN: " in section(page, "Verdict")
    assert "**matched**" in section(page, "Match") and "tested samples7" in section(page, "Match")
    assert "Every seed tests other samples" in section(page, "Comparison")
    rows = cells(section(page, "Sample by sample").strip().split("\n\n")[-1])[1:]
    assert len(rows) == 20  # within a seed both are tested on the same samples


def test_a_suite_with_a_fixed_split_says_nothing_of_folds(suite, records):
    page = render_report(suite, records)
    assert "crossed analysis" in page
    assert not re.search("Nadeau|five folds|partition|Every seed|, tested ", page)


def test_nothing_finished_is_no_error():
    page = render_report(suite_of(), [])
    assert "Every seed has test samples of its own" in page and "n_test/n_train is" not in page


def test_intervals_over_seeds_are_wider_by_the_overlap():
    values = summarise([1.0, 2.0, 4.0, 5.0])
    low, high = interval(values, overlap=0.25)
    plain = interval(values)
    assert high - low == pytest.approx((plain[1] - plain[0]) * math.sqrt(1 + 4 * 0.25))
    one, other = {0: 2.0, 1: 8.0, 2: 4.0}, {0: 1.0, 1: 2.0, 2: 2.0}
    wide, narrow = ratio_interval(one, other, overlap=0.25), ratio_interval(one, other)
    assert math.log(wide[1] / wide[0]) == pytest.approx(math.log(narrow[1] / narrow[0]) * math.sqrt(1 + 3 * 0.25))


def test_ratios_of_energy_know_of_the_overlap():
    suite = suite_of(3)
    evidence = Evidence.of(suite, [record_of(run, [1, 0] * 150) for run in suite.runs])
    entry = next(each for each in evidence.comparison.entries if each.label == "LIF")
    error = 0.05 / (2 * len(evidence.prices) * 2)
    assert evidence.comparison.overlap == 0.25
    expected = evidence.leading.ratio_interval(entry, DENSE, error, 0.25)
    assert evidence.energy_interval(evidence.leading, entry, DENSE) == expected
    narrow = evidence.leading.ratio_interval(entry, DENSE, error)
    assert expected[0] < narrow[0] < narrow[1] < expected[1]
    page = render_page(evidence)
    assert "all intervals over seeds in this section are of a variance of the mean" in " ".join(page.split())


@pytest.mark.parametrize("of", ["last", "best"])
def test_an_expected_value_by_hand(of):
    entries = [
        {
            "label": "ANN",
            "neuron": {"name": "relu"},
            "timesteps": 1,
            "expect": {"accuracy": 75.0, "tolerance": 9.0, "source": "A. Uthor 2024", "of": of},
        }
    ]
    suite = make_suite(entries=entries, seeds=range(3), dataset=DATASET)
    right = {0: 70, 1: 75, 2: 80}  # of 100
    shares = {seed: {"best_accuracy_fraction": count / 100} for seed, count in right.items()}
    records = [
        record_of(run, np.arange(100) < (right[run.seed] if of == "last" else 50), **shares[run.seed])
        for run in suite.runs
    ]
    [found] = expected_values(compare(suite, records))
    # variance over seeds 0.0025, of a seed's samples alone about 0.75 0.25 / 100 = 0.0019
    half = 100 * 4.302653 * math.sqrt((1 / 3 + 300 / 3600) * 0.0025)
    assert found.interval == (pytest.approx(75 - half, abs=0.011), pytest.approx(75 + half, abs=0.011))
    assert found.verdict == "not decidable"
    text = section(render_report(suite, records), "Expected values")
    assert "its variance corrected for that as under Accuracy compared" in text and "crossed" not in text


def test_an_expected_value_without_known_folds_has_no_interval():
    entries = [{"label": "ANN", "neuron": {"name": "relu"}, "timesteps": 1}]
    entries[0]["expect"] = {"accuracy": 75.0, "tolerance": 9.0, "source": "A. Uthor 2024"}
    suite = make_suite(entries=entries, seeds=range(3), dataset=DATASET)
    records = [record_of(run, [1, 0, 1], **({"fold": None} if run.seed else {})) for run in suite.runs]
    [found] = expected_values(compare(suite, records))
    assert found.interval is None and found.verdict == "not decidable"


def test_entries_are_ranked_by_the_seeds_that_all_of_them_have():
    # Seed 2 has easy samples, and LIF alone has finished it: over the seeds that both have ANN is ahead.
    suites = [suite_of(3, name=name, labels=("ANN", "LIF")) for name in ("one", "two")]
    share = {("ANN", 0): 0.8, ("ANN", 1): 0.8, ("LIF", 0): 0.7, ("LIF", 1): 0.7, ("LIF", 2): 1.0}
    found = rank(
        [
            compare(
                suite,
                [
                    record_of(run, np.arange(100) < round(100 * share[run.label, run.seed]))
                    for run in suite.runs
                    if (run.label, run.seed) in share
                ],
            )
            for suite in suites
        ]
    )
    assert found.accuracies.tolist() == [[80.0, 70.0], [80.0, 70.0]]
    assert found.unfinished == ("2 of 3 runs of ANN in one", "2 of 3 runs of ANN in two")


def test_looks_pay_here_as_elsewhere():
    suite = suite_of(5, most_seeds=10)
    comparison = compare(suite, random_records(suite))
    found, base = comparison.differences["LIF"], comparison.baseline
    entry = next(each for each in comparison.entries if each.label == "LIF")
    pairs = [list(each.correct.values()) for each in (entry, base)]
    _, squares = squares_of(*pairs, [0] * 5, [1200] * 5, comparisons=4)  # half of the chance at 5 of 10 seeds
    assert found.share == 0.5 and found.high - found.mean == pytest.approx(100 * squares.half(0.05 / 4))


def test_a_record_says_which_samples_it_is_of_and_older_ones_are_read():
    suite = suite_of(1)
    record = record_of(suite.runs[0], [1, 0])
    again = RunRecord.from_json(record.to_json())
    assert again.fold == fold_of_seed(0) and again == record
    plain = make_record(make_suite().runs[0])
    assert '"fold"' not in plain.to_json() and RunRecord.from_json(plain.to_json()).fold is None


def test_the_chance_that_a_true_difference_of_the_margin_is_called_none_is_held_where_errors_are_rare():
    # Errors alike in every partition: only 1,800 samples, however often they are tested; 0.5 % of them differ.
    rng, called, repeats = np.random.default_rng(1), 0, 1500
    for _ in range(repeats):
        worse = rng.random(1800) < 0.005
        found = []
        for seed in range(10):
            if seed % 5 == 0:
                order = rng.permutation(1800)
            found.append(-worse[order[seed % 5 :: 5]].astype(np.int64))
        parts = resampled(found, list(folds(10, 1440).values()), 0.05 / 10)
        mean, half = 100 * np.mean([each.mean() for each in found]), 100 * parts.half_width(0.05 / 10)
        called += -0.5 < mean - half and mean + half < 0.5
    assert called / repeats < 0.006  # nominal 0.0025
