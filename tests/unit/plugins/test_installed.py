"""What other distributions bring by entry points: found in metadata, described from source, imported when trusted."""

import subprocess
import sys
from pathlib import Path

import pytest
from support.laboratory import NEURON, RULE, SURROGATE, TABLE, write_distribution, write_package

from bench.energy.rules.base import rule_called
from bench.energy.table import load_table, table_names
from bench.errors import BenchError, ParameterError, SuiteError, UnknownNameError
from bench.execute.plan import check_values
from bench.kit import check_neuron
from bench.plugins import registry
from bench.plugins.trust import TRUST_VARIABLE, trusted
from bench.suite.load import load_suite
from bench.upkeep.listing import rows_of

ROOT = Path(__file__).parents[3]
SUITE = (
    (ROOT / "suites" / "digits.toml")
    .read_text()
    .replace('name     = "digits"', 'name = "theirs"')
    .replace('{ name = "lif", tau = 2.0 }', '{ name = "lazy", surrogate = "theirlab.surrogates:Wide" }')
)


@pytest.fixture
def theirs(tmp_path, monkeypatch):
    """A distribution with one thing of each kind, on Python's path and not trusted."""
    files = {
        "neurons.py": NEURON,
        "surrogates.py": SURROGATE,
        "energy/__init__.py": "",
        "energy/rules.py": RULE,
        "energy/theirs.toml": TABLE.replace("RULE", "synops"),
        "suites/theirs.toml": SUITE,
    }
    write_package(tmp_path, "theirlab", files)
    groups = {
        "neurons": {"lazy": "theirlab.neurons:Lazy"},
        "surrogates": {"wide": "theirlab.surrogates:Wide"},
        "rules": {"synops": "theirlab.energy.rules:Synops"},
        "tables": {"all": "theirlab.energy"},
        "suites": {"all": "theirlab.suites"},
    }
    write_distribution(tmp_path, "their-lab", groups)
    monkeypatch.delenv(TRUST_VARIABLE, raising=False)
    monkeypatch.syspath_prepend(tmp_path)
    yield tmp_path
    for module in [name for name in sys.modules if name.partition(".")[0] == "theirlab"]:
        del sys.modules[module]


def test_a_plug_in_is_usable_by_the_name_of_its_entry_point(theirs, monkeypatch):
    info = registry.find("neuron", "lazy")
    assert (info.name, info.module, info.cls) == ("lazy", "theirlab.neurons", "Lazy")
    assert info.outside and info.distribution == "their-lab 1.0"
    assert {parameter.name: parameter.default for parameter in info.parameters}["threshold"] == 2.0
    with pytest.raises(ParameterError, match=r"'lazy' would import 'theirlab.neurons' .* SPIKEBENCH_TRUST=theirlab"):
        registry.create("neuron", "lazy")
    assert not (theirs / "imported").exists()
    monkeypatch.setenv(TRUST_VARIABLE, "theirlab")
    assert registry.create("neuron", "lazy").threshold == 2.0
    assert (theirs / "imported").exists()


def test_a_parameter_may_name_what_is_installed(theirs):
    for name in ("wide", "theirlab.surrogates:Wide"):
        assert registry.find("neuron", "lif").problems({"surrogate": name}) == {}
        assert registry.references("neuron", "lif", {"surrogate": name}) == [("surrogate", name)]
    wrong = registry.find("neuron", "lif").problems({"surrogate": "widee"})
    assert wrong == {"surrogate": "'widee' is not a choice; did you mean 'wide'?"}
    assert not (theirs / "imported").exists()


def test_an_unknown_name_may_be_near_an_installed_one(theirs):
    with pytest.raises(UnknownNameError, match=r"unknown neuron 'lazi'; did you mean 'lazy'"):
        registry.find("neuron", "lazi")
    with pytest.raises(UnknownNameError, match=r"unknown table 'theirz'; did you mean 'theirs'"):
        load_table("theirz")


def test_a_name_that_is_built_in_or_brought_twice_is_one_error_naming_both(theirs):
    write_distribution(theirs, "other", {"neurons": {"lazy": "theirlab.neurons:Lazy"}, "rules": {"lemaire": "a:B"}})
    with pytest.raises(ParameterError, match=r"neuron 'lazy' is brought by (their-lab|other) 1.0 and by (their|other)"):
        registry.find("neuron", "lazy")
    assert registry.find("rule", "lemaire").distribution == "" and registry.find("rule", "synops").outside
    rows = rows_of("rules")
    assert [row[0] for row in rows] == ["lemaire", "per-operation", "lemaire", "synops"]
    assert "rule 'lemaire' is brought by other 1.0 and by spikebench itself" in rows[2][2]
    assert registry.find("neuron", "lif").distribution == ""  # what is built in needs no look at the metadata


def test_a_table_is_data_and_needs_no_trust(theirs):
    table = load_table("theirs")
    assert (table.name, table.title) == ("theirs", "Theirs")
    assert "theirs" not in table_names() and ("theirs", "Theirs, of their-lab 1.0") in rows_of("tables")
    assert not (theirs / "imported").exists()


def test_an_installed_suite_is_found_by_its_name_and_says_what_it_would_import(theirs, monkeypatch):
    suite = load_suite("theirs")
    assert suite.path == Path("theirs") and suite.name == "theirs"
    assert suite.outside_modules == {"theirlab.neurons", "theirlab.surrogates"}
    assert not (theirs / "imported").exists()
    monkeypatch.chdir(theirs)
    [(name, title)] = rows_of("suites")
    assert name == "theirs" and title.endswith("(12 runs), of their-lab 1.0")
    with pytest.raises(SuiteError, match="others: no such file"):
        load_suite("others")


def test_the_rule_of_a_table_is_outside_code_too(theirs):
    text = (theirs / "theirlab/suites/theirs.toml").read_text()
    (theirs / "with-rule.toml").write_text(text.replace('"horowitz-fp32"', '"theirs"'))
    assert "theirlab.energy.rules" in load_suite(theirs / "with-rule.toml").outside_modules


def test_the_rule_of_a_table_is_made_before_anything_is_trained(theirs, monkeypatch):
    digits = (ROOT / "suites" / "digits.toml").read_text()
    (theirs / "ruled.toml").write_text(digits.replace('"horowitz-fp32"', '"theirs"'))
    suite = load_suite(theirs / "ruled.toml")
    with pytest.raises(
        SuiteError, match=r"ruled\.toml: energy\[\d\]: rule 'synops' would import 'theirlab.energy.rules'"
    ):
        check_values([suite])
    assert not (theirs / "imported").exists()
    monkeypatch.setenv(TRUST_VARIABLE, "theirlab")
    check_values([suite])
    rule_called.cache_clear()


def test_an_installed_neuron_is_checked_only_with_trust_and_one_that_is_typed_without(theirs):
    with pytest.raises(ParameterError, match=r"'lazy' would import 'theirlab\.neurons' .* SPIKEBENCH_TRUST=theirlab"):
        check_neuron("lazy", slow=False)
    assert not (theirs / "imported").exists()
    found = check_neuron("theirlab.neurons:Lazy", slow=False)
    assert not [finding for finding in found if finding.problem]
    assert [finding.name for finding in found if finding.hint] == ["documentation"]  # its docstring has no equation
    assert (theirs / "imported").exists() and not trusted("theirlab.neurons")  # the leave ends with the check


def test_lists_say_whose_it_is_and_what_cannot_be_used(theirs):
    write_distribution(theirs, "broken", {"neurons": {"gone": "theirlab.gone:Neuron"}})
    rows = {row[0]: row[2] for row in rows_of("neurons")}
    assert rows["lazy"] == "As LIF, with a high threshold. Of their-lab 1.0."
    assert rows["gone"].startswith("cannot be used: neuron 'gone' of broken 1.0: ") and "theirlab.gone" in rows["gone"]
    assert not rows["lif"].endswith("1.0.")


def test_one_bad_entry_point_harms_no_other(theirs):
    bad = {
        "neurons": {"nocolon": "theirlab.neurons", "ours": "bench.neurons.lif:LIF"},
        "tables": {"all": "nowhere.tables"},
        "suites": {"all": "nowhere.suites"},
    }
    write_distribution(theirs, "careless", bad)
    nocolon = "neuron 'nocolon' of careless 1.0: 'theirlab.neurons' should be package.module:Class"
    with pytest.raises(ParameterError, match=nocolon):
        registry.find("neuron", "nocolon")
    assert registry.find("neuron", "lazy").outside
    rows = {row[0]: row[-1] for row in rows_of("neurons")}
    assert rows["nocolon"] == f"cannot be used: {nocolon}" and rows["lazy"].endswith("Of their-lab 1.0.")
    assert "is part of this package; its name is 'lif'" in rows["ours"]
    assert load_table("theirs").name == "theirs" and load_suite("theirs").name == "theirs"
    for kind in ("tables", "suites"):
        rows = dict(rows_of(kind))
        assert "theirs" in rows and "which is no package on Python's path" in rows[f"nowhere.{kind}"]


def test_a_package_of_tables_that_is_not_there_is_named(tmp_path, monkeypatch):
    write_distribution(tmp_path, "hollow", {"tables": {"all": "nowhere.tables"}})
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(BenchError, match=r"hollow 1\.0 brings tables in 'nowhere\.tables', which is no package"):
        load_table("theirs")


@pytest.mark.long
def test_the_command_runs_an_installed_suite_only_with_trust(theirs):
    def spikebench(*arguments):
        environment = {"PYTHONPATH": f"{ROOT}:{theirs}", "PATH": "/usr/bin:/bin", "OMP_NUM_THREADS": "1"}
        command = [sys.executable, "-m", "bench", *arguments]
        return subprocess.run(command, cwd=theirs, env=environment, capture_output=True, text=True, timeout=120)

    refused = spikebench("check", "theirs")
    assert refused.returncode == 2 and "theirs: " in refused.stderr and "--trust" in refused.stderr
    assert not (theirs / "imported").exists()
    done = spikebench("check", "theirs", "--trust")
    assert (done.returncode, done.stdout) == (0, "theirs: fine (12 runs)\n"), done.stderr
