"""One truth about a run that only the committed report has: `status`, `run` and `report` agree on it."""

import pytest
from support.command import in_process
from support.runs import SUITE, record

from bench.files.durable import atomic_write


@pytest.fixture
def fresh(tmp_path, monkeypatch):
    """A clone with the committed records of digits, where nothing was trained; some runs are not among them."""
    monkeypatch.chdir(tmp_path)
    atomic_write(tmp_path / "digits.toml", SUITE.path.read_text("utf-8"))
    lines = "".join(record(run).to_json() + "\n" for run in SUITE.runs[:5])
    atomic_write(tmp_path / "reports" / "digits" / "records.jsonl", lines)
    return tmp_path


def test_status_and_run_know_the_records_that_a_report_counts(fresh):
    lines = in_process("status", "digits.toml").stdout.splitlines()
    assert lines[0] == "digits.toml: 5 in reports/, not in runs/, 7 missing"
    assert sum("in reports/, not in runs/" in line for line in lines[2:]) == 5
    lines = in_process("run", "digits.toml", "--dry-run").stdout.splitlines()
    assert lines[:2] == ["12 runs: 12 to do", "5 of these in reports/, not in runs/; trained here anew"]
    only = in_process("run", "digits.toml", "--dry-run", "--only", SUITE.runs[-1].label).stdout
    assert "reports/" not in only


def test_records_that_cannot_be_read_are_one_message_where_they_matter(fresh):
    (fresh / "reports" / "digits" / "records.jsonl").write_text("{", "utf-8")
    assert in_process("run", "digits.toml", "--dry-run").stdout.startswith("12 runs: 12 to do\n")
    for verb in ("status", "report"):
        done = in_process(verb, "digits.toml")
        assert done.returncode == 2 and done.stderr.startswith("spikebench: reports/digits/records.jsonl")
