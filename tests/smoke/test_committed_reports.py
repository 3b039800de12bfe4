"""What is committed under reports/ is what its records give."""

import pytest
from support import ROOT

from bench.records.lines import read_records
from bench.report.write import check_report
from bench.suite.load import load_suite

REPORTS = sorted(path.parent for path in (ROOT / "reports").glob("*/records.jsonl"))


def test_there_are_committed_reports():
    assert {"digits", "fashion"} <= {folder.name for folder in REPORTS}


@pytest.mark.parametrize("folder", REPORTS, ids=lambda folder: folder.name)
def test_a_committed_report_agrees_with_its_records_and_its_suite(folder, monkeypatch):
    monkeypatch.chdir(ROOT)  # the page names the suite's path as it is typed there
    suite = load_suite(f"suites/{folder.name}.toml")
    assert check_report(suite, folder) == []
    keys = {run.key for run in suite.runs}
    assert {record.key for record in read_records(folder / "records.jsonl")} <= keys
