"""A report's evidence is made once, and what it holds is what the records say."""

import cProfile
import shutil
from pathlib import Path

import pytest
from support.reports import make_record, make_records, make_suite
from typer.testing import CliRunner

from bench.commands.app import app
from bench.energy.estimate import estimate_energy
from bench.report.evidence.comparison import NOT_RUN, OTHERWISE_MEASURED, compare, held
from bench.report.evidence.evidence import Evidence
from bench.report.evidence.figure_data import figure_data
from bench.report.evidence.frames import runs_frame
from bench.report.evidence.pricing import price
from bench.report.evidence.quantities import QUANTITIES
from bench.report.page import document, main_table, render_page, render_report

ROOT = Path(__file__).parents[3]
# Rows (of neurons 33 runs, 3 of them deployed too) under 3 tables, the baseline's 3 with fewer bits under each, and
# after each but the last of 4 timesteps the runs that spike.
ESTIMATES = {"digits": 12 * 3 + 3 * 3 + 9 * 3, "neurons": 36 * 3 + 3 * 3 + 33 * 3}


def calls(profile, function):
    """How often a function was called while profiling, from wherever."""
    return sum(entry.callcount for entry in profile.getstats() if entry.code is function.__code__)


@pytest.mark.parametrize(("suite", "options"), [("neurons", []), ("digits", []), ("digits", ["--check"])])
def test_one_report_compares_once_and_prices_each_run_once_per_table(suite, options, tmp_path, monkeypatch):
    shutil.copytree(ROOT / "reports" / suite, tmp_path / "reports" / suite)
    shutil.copytree(ROOT / "suites", tmp_path / "suites")
    monkeypatch.chdir(tmp_path)  # a store without runs: the records are those committed
    page = Path(f"reports/{suite}/report.md")
    before = page.read_bytes()
    with cProfile.Profile() as profile:
        done = CliRunner().invoke(app, ["report", f"suites/{suite}.toml", *options])
    assert done.exit_code == 0, done.output
    assert page.read_bytes() == before
    assert [calls(profile, function) for function in (compare, price, figure_data, document)] == [1, 1, 1, 1]
    assert 0 < calls(profile, estimate_energy) <= ESTIMATES[suite]


def test_the_library_gives_the_page_of_the_evidence():
    suite = make_suite(energy=("horowitz-fp32", "lemaire"))
    records = make_records(suite)
    evidence = Evidence.of(suite, records[::-1])
    assert [priced.name for priced in evidence.prices] == ["horowitz-fp32", "lemaire"] == list(evidence.tables)
    assert render_report(suite, records) == render_page(evidence)
    other = Evidence.of(suite, records, ["lemaire"])
    assert render_report(suite, records, ["lemaire"]) == render_page(other)
    assert other.leading.name == "lemaire" and other.figures["accuracy_energy"]["table"] == "lemaire"
    narrow, full = main_table(evidence, compact=True), main_table(evidence)
    assert "lemaire total" in full and narrow.count("lemaire") == 1 and "× under lemaire ↓" in narrow  # its ratio alone


def test_what_was_measured_otherwise_is_named_and_not_kept():
    suite = make_suite(labels=("ANN", "LIF"), seeds=(0,))
    ann, lif = make_records(suite)
    old = lif.model_copy(update={"measure_key": "0" * len(lif.measure_key)})
    found = compare(suite, [old, ann])
    assert [slot.reason for entry in found.entries for slot in entry.slots] == [None, OTHERWISE_MEASURED]
    assert held(suite, [old, ann]) == found.records == [ann]
    assert [slot.reason for entry in compare(suite, [ann]).entries for slot in entry.slots] == [None, NOT_RUN]


def test_quantised_baselines_are_priced_once_and_are_those_of_their_timesteps():
    suite = make_suite()
    (priced,) = Evidence.of(suite, make_records(suite)).prices
    with cProfile.Profile() as profile:
        found = {(t, mode): priced.quantised_baseline(t, mode) for t in (1, 4) for mode in ("dense", "zero_skipping")}
    assert calls(profile, estimate_energy) == 2 * 3
    again = Evidence.of(suite, make_records(suite)).prices[0]
    assert found == {key: again.quantised_baseline(*key) for key in reversed(found)}
    assert found[1, "dense"] < found[4, "dense"] < priced.mean(priced.baseline, "total", "dense")
    assert found[4, "zero_skipping"] < found[4, "dense"]


def test_every_quantity_has_its_own_name_and_is_a_column_of_the_runs():
    suite = make_suite(seeds=(0,))
    done, missing = make_record(suite.runs[1]), suite.runs[2]
    frame = runs_frame(compare(suite, [done])).set_index("key")
    assert len({quantity.name for quantity in QUANTITIES}) == len({q.titled for q in QUANTITIES}) == len(QUANTITIES)
    for quantity in QUANTITIES:
        value = quantity.value(done)
        assert frame[quantity.name].isna()[missing.key]
        assert frame[quantity.name].isna()[done.key] if value is None else frame[quantity.name][done.key] == value
    assert frame["accuracy_percent"][done.key] == 100 * done.accuracy_fraction
