"""Expected values: the interval of one network's accuracy, the rule of the verdict, and what the section says."""

import re

import numpy as np
import pytest
from scipy import stats
from support.crossed_by_hand import analysed
from support.reports import cells, diverged, make_record, make_records, make_suite, section

from bench.records.correct import pack_correct
from bench.report.evidence.comparison import compare
from bench.report.evidence.expected import expected_values
from bench.report.page import render_report

SOURCE = "A. Uthor 2024, *table 1*: best test epoch, one seed"
HEADING = "\n## Expected values\n"


def suite_of(*expects, seeds=(0, 1, 2), **changes):
    """A suite of two ReLU networks, LIF and CLIF, of which the first so many have an expected value."""
    neurons = ({"name": "relu"}, {"name": "lif"}, {"name": "clif"}, {"name": "lif", "tau": 3.0})
    entries = [
        {"label": f"{number} {neuron['name']}", "neuron": neuron, "timesteps": 1 if number == 0 else 2}
        for number, neuron in enumerate(neurons)
    ]
    for entry, expect in zip(entries, expects, strict=False):
        if expect is not None:
            entry["expect"] = {"source": SOURCE} | expect
    return make_suite(entries=entries, seeds=seeds, **changes)


def right(run, bits, best=None):
    """The record of a run that got these test samples right in its last epoch, and a share of them in its best."""
    bits = np.asarray(bits, dtype=bool)
    share = float(bits.mean())
    kept = {"correct": pack_correct(bits), "test_samples": bits.size, "accuracy_fraction": share}
    return make_record(run, **kept, best_accuracy_fraction=share if best is None else best)


def only(suite, records):
    """The one expected value of a suite."""
    [found] = expected_values(compare(suite, records))
    return found


def test_the_interval_of_a_mean_by_hand():
    # Three seeds, four test samples; right are 3, 2 and 4 of them: mean 75 %. As 1 and -1 the sums are 2, 0, 4 by seed,
    # 3, 3, 1, -1 by sample, 6 in all; added are samples of sum 3 and as many of sum -3, each 1.96 squared / 4.
    added = 1.959964**2 / 4
    size = 4 + 2 * added
    correction = 6**2 / (3 * size)
    seeds, samples = (4 + 0 + 16) / size - correction, (9 + 9 + 1 + 1) / 3 + 6 * added - correction
    rest = 12 + 6 * added - correction - seeds - samples
    squares = seeds / 2, samples / (size - 1), rest / (2 * (size - 1))
    variance = (squares[0] + squares[1] - squares[2]) / (3 * size)
    suite = suite_of(None, {"accuracy": 75.0, "tolerance": 1.0})
    bits = ([1, 1, 1, 0], [1, 1, 0, 0], [1, 1, 1, 1])
    runs = [run for run in suite.runs if run.label == "1 lif"]
    found = only(suite, [right(*pair) for pair in zip(runs, bits, strict=True)])
    t_seeds, t_samples = (stats.t.ppf(0.975, degrees) for degrees in (2, size - 1))
    share = squares[0] / (3 * size)
    half = 50 * np.sqrt(share * t_seeds**2 + (variance - share) * t_samples**2)
    parts = found.components
    assert (parts.of_seeds, parts.of_samples, parts.rest) == pytest.approx(squares)
    assert found.ours.mean == 75 and found.ours.sd == pytest.approx(25)
    # outwards to what is printed, and no accuracy is above 100 %
    assert found.interval == (pytest.approx(75 - half, abs=0.01), 100.0) and found.interval[0] <= 75 - half
    assert (found.difference, found.band, found.verdict) == (0.0, (74.0, 76.0), "not decidable")


def test_the_interval_is_that_of_a_difference_from_no_network_at_half_the_scale():
    rng = np.random.default_rng(5)
    bits = rng.random((4, 400)) < rng.uniform(0.5, 1, 400)
    suite = suite_of({"accuracy": 70, "tolerance": 1.0}, {"accuracy": 70, "tolerance": 1.0}, seeds=range(4))
    records = [right(run, bits[run.seed]) for run in suite.runs]
    found, other = expected_values(compare(suite, records))
    mean, low, high, _ = analysed(bits, ~bits, comparisons=2)  # two are expected
    assert found.ours.mean == pytest.approx(50 + mean / 2)
    assert found.interval == other.interval == pytest.approx((50 + low / 2, 50 + high / 2), abs=0.0101)


def test_intervals_of_the_best_epoch_are_the_widest_that_its_accuracies_allow():
    rng = np.random.default_rng(6)
    suite = suite_of({"accuracy": 70, "tolerance": 1.0}, {"accuracy": 70, "tolerance": 1.0, "of": "best"})
    hard = rng.uniform(0.5, 1, 200)
    for _ in range(20):
        bits = rng.random((3, 200)) < hard + rng.normal(0, 0.1, (3, 1))
        last, best = expected_values(compare(suite, [right(run, bits[run.seed]) for run in suite.runs]))
        assert last.ours == best.ours
        assert best.interval[0] <= last.interval[0] and last.interval[1] <= best.interval[1]


def test_the_best_epoch_is_compared_where_the_suite_says_so():
    suite = suite_of({"accuracy": 90, "tolerance": 5.0, "of": "best"})
    bits = np.arange(1000) < 850
    found = only(suite, [right(run, bits, best=(890 + 10 * run.seed) / 1000) for run in suite.runs])
    assert found.ours.mean == 90 and found.ours.sd == pytest.approx(1)
    assert found.verdict == "reproduced"


@pytest.mark.parametrize(
    ("accuracy", "tolerance", "verdict", "words"),
    [
        (80.0, 3.0, "reproduced", "lies within 77.00 to 83.00 %"),
        (85.0, 1.0, "not reproduced", "lies below 84.00 to 86.00 %"),
        (75.0, 1.0, "not reproduced", "lies above 74.00 to 76.00 %"),
        (82.0, 2.0, "not decidable", "lies partly within 80.00 to 84.00 % and partly outside."),
        (
            80.0,
            0.1,
            "not decidable",
            "no number of seeds would show it reproduced, as test samples alone leave ± 0.69 points.",
        ),
    ],
)
def test_each_verdict(accuracy, tolerance, verdict, words):
    suite = suite_of(None, None, {"accuracy": accuracy, "tolerance": tolerance})
    rng = np.random.default_rng(1)
    bits = np.array([np.roll(np.arange(10_000) < 8000, shift) for shift in rng.integers(0, 2000, 3)])  # 80 %, no sd
    records = [right(run, bits[run.seed]) for run in suite.runs]
    found = only(suite, records)
    assert found.ours.mean == 80 and 78.5 < found.interval[0] < 79.5 and found.verdict == verdict
    text = section(render_report(suite, records), "Expected values")
    assert f"**2 clif** is {verdict}" in text and words in text


@pytest.mark.parametrize("seeds", [1, 2])
def test_fewer_than_three_seeds_decide_nothing(seeds):
    suite = suite_of({"accuracy": 80.0, "tolerance": 50.0}, seeds=range(seeds))
    records = [right(run, np.arange(1000) < 800) for run in suite.runs]
    assert only(suite, records).verdict == "not decidable"
    text = section(render_report(suite, records), "Expected values")
    assert f"not decidable at n = {seeds}: a verdict needs at least 3 seeds." in text


def test_runs_that_have_not_finished_or_say_too_little_decide_nothing():
    expect = {"accuracy": 91.0, "tolerance": 9.0}
    suite = suite_of(expect, expect | {"of": "best"}, expect)
    poor = {"0 relu": {"correct": None}, "1 lif": {"best_accuracy_fraction": None}}
    records = [make_record(run, **poor[run.label]) for run in suite.runs if run.label in poor]
    text = section(render_report(suite, records), "Expected values")
    assert "**0 relu** is not decidable at n = 3: its records do not say which test samples were right." in text
    assert "**1 lif** is not decidable at n = 0: a finished run has no such accuracy." in text
    assert "**2 clif** is not decidable at n = 0: no run has finished." in text


def test_what_is_wrong_with_the_runs_stands_beside_the_verdict():
    suite = suite_of({"accuracy": 91.0, "tolerance": 9.0})
    records = [diverged(record) if record.seed == 0 else record for record in make_records(suite)]
    assert "Its runs: 1 of 3 diverged. Published: " in section(render_report(suite, records), "Expected values")


def test_the_section_stands_only_where_a_value_is_expected(suite, records):
    assert HEADING not in render_report(suite, records)
    changed = suite_of({"accuracy": 91.0, "tolerance": 9.0}, deviations=["no warm-up; *published*: 5 epochs"])
    report = render_report(changed, make_records(changed))
    text = section(report, "Expected values")
    assert HEADING in report and "the interval is of a crossed analysis" in text and "and holds with 95 %. " in text
    # the rest of the report is that of the suite without
    plain = suite_of(deviations=["no warm-up; *published*: 5 epochs"])
    assert report.replace(f"{HEADING}{text}", "") == render_report(plain, make_records(plain))
    header, row = cells(text.strip().split("\n\n")[1])
    assert header[:3] == ["entry", "of", "published, %"] and header[-1] == "verdict"
    assert row[:6] == ["0 relu", "last epoch", "91 ± 9", "91.00 ± 1.00", "3", "+0.00"]
    assert "Published: A. Uthor 2024, \\*table 1\\*: best test epoch, one seed." in text
    assert text.strip().endswith(
        "Declared deviations from the published recipe:\n\n* no warm-up; \\*published\\*: 5 epochs"
    )
    assert "error is unknown and in no interval here" in text and "best test epoch no bits" not in text


def test_intervals_pay_for_every_expected_value_and_every_look():
    one, two = {"accuracy": 91.0, "tolerance": 9.0}, {"accuracy": 90.0, "tolerance": 9.0, "of": "best"}
    for expects, changes, level in (
        ([one, two], {}, "all 2 hold at once with 95 % (each is of 97.5 %, Bonferroni)"),
        # 3 of at most 6 seeds: the first look may spend half of the 5 %
        ([one], {"most_seeds": 6}, "those of all looks hold at once with 95 % (each is of 97.5 %)"),
    ):
        suite = suite_of(*expects, **changes)
        records = make_records(suite)
        assert [found.error for found in expected_values(compare(suite, records))] == pytest.approx(
            [0.025] * len(expects)
        )
        assert level in section(render_report(suite, records), "Expected values")


@pytest.mark.parametrize("number", range(12))
def test_a_verdict_follows_from_the_printed_row(number):
    rng = np.random.default_rng(number)
    level, spread = rng.uniform(0.7, 0.99), rng.choice([0.001, 0.01])
    expects = [
        {
            "accuracy": round(min(100.0, 100 * level + rng.normal(0, 2)), 2),
            "tolerance": round(rng.uniform(0.2, 9.0), 2),
            "of": str(rng.choice(["last", "best"])),
        }
        for _ in range(4)
    ]
    suite = suite_of(*expects, seeds=range(rng.integers(1, 6)))
    hard = rng.random(1500)
    records = [right(run, hard < level + rng.normal(0, spread)) for run in suite.runs if rng.random() < 0.9]
    text = section(render_report(suite, records), "Expected values")
    for row in cells(text.strip().split("\n\n")[1])[1:]:
        published, n, printed, verdict = row[2], int(row[4]), row[6], row[7]
        accuracy, tolerance = map(float, published.split(" ± "))
        ends = [float(end) for end in re.findall(r"[\d.]+", printed)] if printed != "n/a" else None
        least, most = round(accuracy - tolerance, 6), round(accuracy + tolerance, 6)
        if n < 3 or ends is None:
            expected = f"not decidable at n = {n}"
        elif least <= ends[0] and ends[1] <= most:
            expected = "reproduced"
        elif ends[1] < least or most < ends[0]:
            expected = "not reproduced"
        else:
            expected = f"not decidable at n = {n}"
        assert verdict == expected
        assert f"**{row[0]}** is {verdict}: " in text
        if ends is not None and row[5] != "n/a":
            assert ends[0] <= accuracy + float(row[5]) + 0.005 and accuracy + float(row[5]) - 0.005 <= ends[1]
