"""Records take the digest of today's code only where runs before and after a change are shown to be equal."""

import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from bench.commands.app import app
from bench.records.lines import read_records
from bench.runs import provenance
from bench.store.store import Store
from bench.suite.load import load_suite

ROOT = Path(__file__).parents[3]
RECORDS = "reports/digits/records.jsonl"


def coded(record, code):
    update = {"code": code, "training": f"training of {code}"}
    return record.model_copy(update={"digests": record.digests.model_copy(update=update)})


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A suite with its report, and one run of it in two folders: made by older code and by today's."""
    (tmp_path / "reports/digits").mkdir(parents=True)
    (tmp_path / "suites").mkdir()
    shutil.copy(ROOT / "suites/digits.toml", tmp_path / "suites")
    suite = load_suite(tmp_path / "suites/digits.toml")
    run = suite.select("LIF", 0)[0]
    records = [coded(record, "old" * 4) for record in read_records(ROOT / RECORDS)]
    (tmp_path / RECORDS).write_text("".join(record.to_json() + "\n" for record in records))
    [own] = [record for record in records if record.key == run.key]
    put(tmp_path / "before", run, own)
    put(tmp_path / "after", run, coded(own, provenance.code_digest(run.spec)))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def put(root, run, record):
    place = Store(root).folder(run)
    place.make()
    place.record.write_text(record.to_json() + "\n")


def restamp(*options):
    return CliRunner().invoke(
        app, ["restamp", "suites/digits.toml", "--before", "before", "--after", "after", *options]
    )


def refusal(*options):
    done = restamp(*options)
    assert done.exception is not None
    return f"{done.stdout}{done.exception}"


def test_equal_runs_make_the_records_current_and_change_nothing_else(folder):
    before = read_records(folder / RECORDS)
    shown = restamp().stdout
    assert "digits/LIF seed 0" in shown and "equal in every number; as the committed record" in shown
    assert "nothing written" in shown and read_records(folder / RECORDS) == before
    assert restamp("--yes").exit_code == 0
    after = read_records(folder / RECORDS)
    runs = {run.key: run for run in load_suite("suites/digits.toml").runs}
    assert [record.digests.code for record in after] == [provenance.code_digest(runs[r.key].spec) for r in after]
    assert {r.digests.training for r in after} == {provenance.training_digest(run.spec) for run in runs.values()}
    assert [coded(record, "") for record in after] == [coded(record, "") for record in before]


def test_one_number_that_differs_leaves_the_records_as_they_are(folder):
    run = load_suite("suites/digits.toml").select("LIF", 0)[0]
    own = Store(folder / "after").folder(run).check()
    layers = [
        own.layers[0].model_copy(update={"dense_macs_valid_total": own.layers[0].dense_macs_valid_total - 1}),
        *own.layers[1:],
    ]
    put(folder / "after", run, own.model_copy(update={"layers": layers}))
    before = (folder / RECORDS).read_bytes()
    assert "differs in layers[0].dense_macs_valid_total" in refusal("--yes")
    assert (folder / RECORDS).read_bytes() == before


@pytest.mark.parametrize(("origin", "difference"), [({"path": "fused"}, "provenance.measured.path"), ({}, None)])
def test_which_commit_trained_and_which_measured_is_no_difference(folder, origin, difference):
    run = load_suite("suites/digits.toml").select("LIF", 0)[0]
    for name, trained_by, more in (("before", "a", {}), ("after", "b", origin)):
        record = Store(folder / name).folder(run).check()
        measured = {"commit": f"measured {trained_by}", "path": "plain"} | more
        made = record.provenance | {"commit": trained_by, "measured": measured}
        put(folder / name, run, record.model_copy(update={"provenance": made}))
    if difference:
        assert f"differs in {difference}" in refusal()
    else:
        assert "equal in every number" in restamp().stdout


def test_without_a_run_in_both_folders_nothing_is_shown(folder):
    shutil.rmtree(folder / "before")
    assert "no run is in both folders" in refusal("--yes")


def test_the_later_run_must_be_todays_codes_and_the_earlier_one_not(folder):
    run = load_suite("suites/digits.toml").select("LIF", 0)[0]
    today, old = Store(folder / "after").folder(run).check(), Store(folder / "before").folder(run).check()
    put(folder / "after", run, old)
    assert "was not made by today's code" in refusal()
    put(folder / "after", run, today)
    put(folder / "before", run, today)
    assert "was made by today's code" in refusal()


def test_records_that_the_suite_no_longer_plans_stay(folder):
    suite = folder / "suites/digits.toml"
    suite.write_text(suite.read_text().replace("seeds    = [0, 1, 2]", "seeds    = [0]"))
    before = read_records(folder / RECORDS)
    done = restamp("--yes")
    assert done.exit_code == 0 and "nothing compared of ANN, PLIF, CLIF" in done.stdout
    assert [record.key for record in read_records(folder / RECORDS)] == [record.key for record in before]


def test_the_store_that_reports_read_is_no_place_for_a_sample(folder):
    (folder / "after").rename(folder / "runs")
    done = CliRunner().invoke(app, ["restamp", "suites/digits.toml", "--before", "before", "--after", "runs"])
    assert "is where reports take records from" in str(done.exception)


def test_committed_numbers_that_neither_code_makes_here_are_told(folder):
    records = read_records(folder / RECORDS)
    changed = [record.model_copy(update={"accuracy_fraction": 0.5}) for record in records]
    (folder / RECORDS).write_text("".join(record.to_json() + "\n" for record in changed))
    shown = restamp().stdout
    assert "the committed record has others" in shown and "do not restamp: train the suite again" in shown
