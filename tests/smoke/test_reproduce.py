"""The line of a report that makes it again is a command: copied into a shell, it does."""

import os
import subprocess
import sys

import pytest
from support import ROOT
from support.command import spikebench
from support.laboratory import NEURON, RULE, TABLE
from support.reports import make_suite
from support.suites import entry, small_suite

from bench.report.evidence.evidence import Evidence
from bench.report.sections import reproduce
from bench.store.store import State, Store
from bench.suite.load import load_suite


def line_of(suite):
    [code] = reproduce.section(Evidence.of(suite, []))
    return code.text


@pytest.fixture
def lab(tmp_path, monkeypatch):
    """A folder of somebody's, with a neuron and an accounting rule of their own, and a `spikebench` on its path."""
    (tmp_path / "lazylab.py").write_text(NEURON)
    (tmp_path / "theirrule.py").write_text(RULE)
    (tmp_path / "theirs.toml").write_text(TABLE.replace("RULE", "theirrule:Synops"))
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "spikebench").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m bench "$@"\n')
    (tmp_path / "bin" / "spikebench").chmod(0o755)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


@pytest.mark.long
def test_the_line_works_when_copied_for_a_suite_with_outside_code(lab):
    file = lab / "my suites" / "it's.toml"
    file.parent.mkdir()
    text = small_suite("its", entry("LIF", "lif", 1), entry("lazy", "lazylab:Lazy", 1), train={"epochs": 1})
    file.write_text(text)
    made = spikebench("report", file, "--table", "theirs.toml", "--trust", cwd=lab)
    assert made.returncode == 0, made.stderr
    page = lab / "reports" / "its" / "report.md"
    line = page.read_text().split("## Reproduce")[1].split("```sh\n")[1].split("\n```")[0]
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("SPIKEBENCH_")}
    environment = inherited | {"PATH": f"{lab / 'bin'}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(line, shell=True, cwd=lab, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    suite = load_suite(file)
    assert {Store(lab / "runs").state(run) for run in suite.runs} == {State.DONE}
    assert line in page.read_text()


def test_a_suite_is_named_as_it_is_typed_beside_its_report(lab):
    neuron = entry("lazy", "lazylab:Lazy", 2)
    for path, shown in (
        (lab / "suites" / "its.toml", "suites/its.toml"),
        (lab / "its.toml", "its.toml"),
        (lab.parent / "elsewhere" / "suites" / "its.toml", "../elsewhere/suites/its.toml"),
        (lab.parent / "elsewhere" / "its.toml", "../elsewhere/its.toml"),
    ):
        path.parent.mkdir(exist_ok=True, parents=True)
        path.write_text(small_suite("its", entry("LIF", "lif", 2), neuron))
        suite = load_suite(path)
        assert line_of(suite) == f"spikebench run {shown} --trust && spikebench report {shown} --trust"
        assert suite.arguments == f"{path} --trust"


def test_trust_is_asked_for_only_where_code_from_outside_runs():
    assert "--trust" not in line_of(make_suite()) and make_suite().arguments == "suites/tiny.toml"
