"""Suites to which seeds may be added: at how many seeds they are looked at, and what each look may spend."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import ROOT
from support.reports import make_record, make_suite
from support.suites import DATA

from bench.errors import BenchError, SuiteError
from bench.report.evidence.comparison import compare, held
from bench.suite.load import Suite, load_suite
from bench.suite.looks import Looks


@pytest.mark.parametrize(
    ("first", "most", "seeds"),
    [
        (3, 20, (3, 4, 6, 9, 13, 19, 20)),
        (5, 20, (5, 7, 10, 15, 20)),
        (3, 4, (3, 4)),
        (3, None, (3,)),
        (1, None, (1,)),
    ],
)
def test_each_look_has_half_as_many_seeds_again(first, most, seeds):
    looks = Looks.up_to(first, most)
    assert looks.seeds == seeds and looks.most == seeds[-1] and looks.repeated == (len(seeds) > 1)


@given(st.integers(3, 50), st.integers(0, 200))
def test_the_shares_of_all_looks_are_the_whole_chance(first, more):
    looks = Looks.up_to(first, first + more)
    shares = [looks.share(seeds) for seeds in looks.seeds]
    assert sum(shares) == pytest.approx(1.0) and min(shares) > 0


def test_nobody_looks_in_between():
    with pytest.raises(ValueError):
        Looks.up_to(3, 20).share(5)


def test_added_seeds_follow_the_greatest_and_change_no_run_of_the_suites_own():
    suite = make_suite(seeds=(0, 7, 3), most_seeds=6)
    larger = suite.with_seeds(6)
    assert larger.spec.seeds == [0, 7, 3, 8, 9, 10] and larger.looks == suite.looks
    assert [run.seed for run in larger.runs if run.label == "LIF"] == larger.spec.seeds
    assert {run.key for run in suite.runs} < {run.key for run in larger.runs}
    alone = make_suite(seeds=(9,)).select("LIF", 9)
    assert [run.key for run in suite.select("LIF", 9)] == [run.key for run in alone]
    with pytest.raises(BenchError, match="no seed 11; known: 0, 7, 3, 8, 9, 10"):
        suite.select("LIF", 11)
    assert suite.longest.runs == larger.runs and make_suite().longest == make_suite()


@pytest.mark.parametrize(
    ("seeds", "most", "problem"),
    [
        ([0, 1, 2], 3, "most_seeds: 3 are no more than the 3 of `seeds`"),
        ([0, 1], 5, "most_seeds: nothing is decided with fewer than 3 seeds; begin with so many"),
        ([0, 1, 2**32 - 2], 5, "have to stay below 2**32"),
        ([0, 1, 2], 50_000, "most_seeds"),
        ([0, 1, 2], "many", "most_seeds"),
    ],
)
def test_what_cannot_be_added_is_said(seeds, most, problem):
    with pytest.raises(SuiteError) as error:
        Suite.from_data(DATA | {"seeds": seeds, "most_seeds": most})
    assert problem in str(error.value)


def test_a_report_has_the_seeds_of_the_last_look_that_is_complete():
    suite = make_suite(seeds=(0, 1, 2), most_seeds=6)  # looks at 3, 4, 6
    records = [make_record(run) for run in suite.longest.runs]

    def of(seeds, without=()):
        return [r for r in records if r.seed in seeds and (r.label, r.seed) not in without]

    cases = {
        (0, 1, 2): of(range(3)),
        (0, 1, 2, 3): of(range(4)),
        (0, 1, 2, 3, 4, 5): of(range(6)),
    }
    for seeds, given_ in cases.items():
        comparison = compare(suite, given_)
        assert tuple(comparison.suite.spec.seeds) == seeds
        assert {difference.share for difference in comparison.contrasts.values()} == {suite.looks.share(len(seeds))}
    partly = of(range(6), without=[("CLIF", 5)])
    assert compare(suite, partly).suite.spec.seeds == [0, 1, 2, 3]
    assert {record.seed for record in held(suite, partly)} == {0, 1, 2, 3}
    assert compare(suite, of((0, 1))).suite.spec.seeds == [0, 1, 2]  # its own, some of them missing


def test_a_run_that_failed_holds_no_look_up():
    suite = make_suite(seeds=(0, 1, 2), most_seeds=4)
    records = [make_record(run) for run in suite.longest.runs]
    records[-1] = records[-1].model_copy(update={"status": "failed", "error": "out of memory"})
    comparison = compare(suite, records)
    assert comparison.suite.spec.seeds == [0, 1, 2, 3]
    found = comparison.differences["CLIF"]
    assert found.n == 3 and found.share == suite.looks.share(4)


def test_a_run_that_was_measured_otherwise_is_not_looked_at():
    suite = make_suite(seeds=(0, 1, 2), most_seeds=4)
    records = [make_record(run) for run in suite.longest.runs]
    records[-1] = records[-1].model_copy(update={"measure_key": "0" * 12})
    assert compare(suite, records).suite.spec.seeds == [0, 1, 2]


@pytest.mark.parametrize("path", sorted((ROOT / "suites").glob("*.toml")), ids=lambda path: path.stem)
def test_keys_that_are_reckoned_from_the_seed_are_those_of_the_run(path):
    suite = load_suite(path)
    for run in suite.with_seeds(len(suite.spec.seeds) + 2).runs:
        assert {"key", "measure_key"} <= set(vars(run))  # before anybody asks
        assert (run.key, run.measure_key) == (run.spec.key, run.spec.measure_key(run.measure))
        assert run.seed == run.spec.seed
