"""Every neuron in the folder against every line of the contract, by the kit that `spikebench check-neuron` runs."""

import inspect

import pytest

from bench.kit import subject_of
from bench.kit.report import checks, find
from bench.plugins.registry import plugins

NEURONS = sorted(plugins("neuron"))


@pytest.mark.parametrize("name", NEURONS)
@pytest.mark.parametrize("check", checks(), ids=lambda check: check.name)
def test_the_contract_is_kept(name, check):
    finding = find(subject_of(name), check)
    if finding.skipped:
        pytest.skip(finding.skipped)
    assert finding.problem is None, f"{check.contract}: {finding.problem} ({finding.example})"


@pytest.mark.parametrize("name", NEURONS)
def test_the_schema_is_the_constructor(name):
    info = plugins("neuron")[name]
    cls = info.load()
    assert cls.name == name
    accepted = {p.name: p.default for p in inspect.signature(cls).parameters.values() if not p.name.startswith("_")}
    assert info.resolve({}) == accepted
    for parameter in info.parameters:
        if parameter.name == "surrogate":
            assert parameter.plugin == "surrogate" and set(parameter.choices) == set(plugins("surrogate"))
