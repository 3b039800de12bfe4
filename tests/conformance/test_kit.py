"""The kit finds what is wrong with a neuron, says which line is broken, and shows the smallest input that breaks it."""

import pytest
import torch
from support.mutants import (
    CAUGHT,
    Acausal,
    BatchOrder,
    Half,
    InPlace,
    Silent,
    Sound,
    Uncompilable,
    Undocumented,
    Unpicklable,
)

from bench.errors import ParameterError, UnknownNameError
from bench.kit import check_neuron, subject_of
from bench.kit.report import checks, find
from bench.kit.shrink import as_text, shrink
from bench.neurons.lif import LIF


@pytest.fixture(autouse=True)
def settings_of_the_program_are_kept():
    yield
    torch.use_deterministic_algorithms(False)


def broken(cls, **params):
    return {finding.name: finding for finding in check_neuron(cls, params, slow=False) if finding.problem}


def test_a_sound_neuron_passes():
    assert broken(Sound) == {}


@pytest.mark.parametrize("cls", CAUGHT, ids=lambda cls: cls.__name__)
def test_a_mutant_is_caught(cls):
    found = broken(cls)
    assert CAUGHT[cls] <= set(found)
    assert all(finding.contract and finding.problem for finding in found.values())


def hints(cls, params=None):
    found = check_neuron(cls, params, slow=False)
    assert [finding for finding in found if finding.problem] == []
    return {finding.name: finding.hint for finding in found if finding.hint}


def test_what_is_not_about_correctness_is_a_hint_to_somebody_else():
    assert hints(Sound) == {}
    assert hints(Undocumented, {"tau": 2.0}) == {
        "documentation": "the docstring could say: the equation as its first line, at most 120 long; its source "
        "('Source: ...'); what its parameters are ('tau: ...', 'gain: ...'); without a default: 'tau'"
    }
    assert "cannot be pickled" in hints(Unpicklable)["copies"]


def test_a_loop_that_cannot_be_fused_is_a_hint_as_it_trains_all_the_same():
    [fused] = [check for check in checks() if check.name == "fused"]
    finding = find(subject_of(Uncompilable), fused)
    assert finding.problem is None
    assert finding.skipped or "it trains on the plain path alone" in finding.hint


def test_the_same_is_a_rule_inside_this_package(monkeypatch):
    monkeypatch.setattr(LIF, "__doc__", "A neuron.")
    [documentation] = [check for check in checks() if check.name == "documentation"]
    finding = find(subject_of("lif"), documentation)
    assert finding.hint is None and "its source ('Source: ...')" in finding.problem


@pytest.mark.parametrize(
    ("cls", "check", "shape", "problem"),
    [
        (Half, "binary", (1, 1, 1), "it says that it spikes, and puts out [0.5]"),
        (Acausal, "causality", (2, 1, 1), "another input from timestep 2 on changes the output before it"),
        (BatchOrder, "samples", (1, 2, 1), "reversing the batch does not reverse the output"),
        (InPlace, "pure step", (2, 1, 1), "`step` changed the state that it was given in place"),
    ],
)
def test_the_smallest_input_that_breaks_it_is_shown(cls, check, shape, problem):
    finding = broken(cls)[check]
    assert finding.problem == problem
    assert eval(finding.example, {"torch": torch}).shape == shape


def test_a_finding_can_be_had_again_and_leaves_the_random_numbers_alone():
    torch.manual_seed(5)
    before = torch.get_rng_state()
    assert broken(Acausal) == broken(Acausal)
    assert torch.equal(torch.get_rng_state(), before)


def test_shrinking_cuts_and_simplifies_while_the_failure_lasts():
    x = torch.arange(60.0).view(5, 4, 3) + 0.37
    small = shrink(x, lambda y: bool((y > 40).any()))
    assert small.shape == (1, 1, 1) and small.item() > 40
    assert torch.equal(shrink(x, lambda y: y.shape == x.shape and bool((y == x).all())), x)
    assert as_text(torch.tensor([[[1.0], [0.25]]])) == "torch.tensor([[[1.0], [0.25]]])"
    assert as_text(torch.zeros(5, 5, 5)) == "a tensor of shape [5, 5, 5]"


def test_parameters_are_checked_before_anything_runs():
    with pytest.raises(ParameterError, match="did you mean 'tau'"):
        check_neuron("lif", {"tua": 3.0})
    with pytest.raises(ParameterError, match="tau should be above 1"):
        check_neuron("lif", {"tau": 0.5}, slow=False)
    with pytest.raises(UnknownNameError, match="did you mean 'clif'"):
        check_neuron("cliff")


def test_the_lines_of_the_contract_have_names_of_their_own():
    names = [check.name for check in checks()]
    assert len(names) == len(set(names)) and broken(Silent).keys() <= set(names)
