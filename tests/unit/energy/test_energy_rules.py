"""Accounting rules are plug-ins: one file of this package or of another, named by a cost table."""

import sys

import pytest
from support.energy import SYNOPS, conv, network, neuron
from support.laboratory import RULE, TABLE

from bench.energy.costs import charged_work
from bench.energy.estimate import estimate_energy
from bench.energy.rules.base import Rule, rule_called
from bench.energy.table import load_table
from bench.errors import ParameterError
from bench.plugins import registry
from bench.plugins.trust import TRUST_VARIABLE


def test_the_built_in_rules_are_found_by_scanning():
    assert set(registry.plugins("rule")) == {"lemaire", "per-operation"}
    assert all(issubclass(info.load(), Rule) for info in registry.plugins("rule").values())
    assert [rule_called(name).addressing for name in ("lemaire", "per-operation")] == [True, False]


def test_a_rule_of_another_package_is_checked_unseen_and_charges_when_trusted(tmp_path, monkeypatch):
    (tmp_path / "theirrule.py").write_text(RULE)
    (tmp_path / "theirs.toml").write_text(TABLE.replace("RULE", "theirrule:Synops"))
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delenv(TRUST_VARIABLE, raising=False)
    table = load_table(tmp_path / "theirs.toml")
    counts = network(layers=[conv()], other_ops=[])
    with pytest.raises(ParameterError, match="rule 'theirrule:Synops' would import 'theirrule'"):
        estimate_energy(counts, table)
    assert "theirrule" not in sys.modules
    monkeypatch.setenv(TRUST_VARIABLE, "theirrule")
    found = estimate_energy(counts, table)
    assert found.total_pj_per_sample == found.synapse_pj_per_sample == SYNOPS * 2.0
    assert (found.memory_pj_per_sample, found.addressing_pj_per_sample) == (0.0, None)
    rule_called.cache_clear()
    del sys.modules["theirrule"]


@pytest.mark.parametrize(("name", "operations"), [("horowitz-memory", {}), ("lemaire", {"mac": 4096.0, "ac": 50.0})])
def test_where_an_update_has_a_price_the_rule_says_whether_its_operations_are_charged(name, operations):
    table = load_table(name).model_copy(update={"neuron_update_pj": 3.0})
    work = charged_work(neuron(), table)
    assert work.operations == operations and work.accesses
