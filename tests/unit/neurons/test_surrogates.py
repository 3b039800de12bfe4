"""A surrogate is one file: of this package or of another, plain or compiled into the time loop."""

import sys

import pytest
import torch
from support.laboratory import SURROGATE

from bench.errors import ParameterError
from bench.neurons import LIF, Surrogate, make_factory
from bench.neurons.surrogate import derivative_of
from bench.plugins import registry
from bench.plugins.trust import TRUST_VARIABLE

OWN_METHOD = SURROGATE.replace("    @staticmethod\n", "").replace("derivative(x)", "derivative(self, x)")


@pytest.fixture(params=[SURROGATE, OWN_METHOD], ids=["static", "method"])
def wide(request, tmp_path, monkeypatch):
    module = f"wide_{request.node.callspec.id}"
    (tmp_path / f"{module}.py").write_text(request.param)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delenv(TRUST_VARIABLE, raising=False)
    yield f"{module}:Wide"
    derivative_of.cache_clear()
    sys.modules.pop(module, None)


def gradient(neuron, x):
    x = x.clone().requires_grad_()
    neuron(x).sum().backward()
    return x.grad


def test_one_of_another_package_is_named_imported_when_trusted_and_compiled(wide, monkeypatch):
    with pytest.raises(ParameterError, match=r"surrogate 'wide_.*:Wide' would import 'wide_"):
        make_factory("lif", surrogate=wide)
    monkeypatch.setenv(TRUST_VARIABLE, wide.partition(":")[0])
    plain, fused = (make_factory("lif", surrogate=wide)(1).train() for _ in range(2))
    fused.use_fused(True)
    at = torch.tensor([-0.1, 0.0, 1.9, 2.1])  # theta = 1: distances -1.1, -1, 0.9, 1.1
    assert gradient(plain, at[None, None]).flatten().tolist() == [0.0, 0.5, 0.5, 0.0]
    x = torch.randn((4, 2, 8), generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(gradient(fused, x), gradient(plain, x))


@pytest.mark.parametrize("name", registry.plugins("surrogate"))
def test_every_built_in_one_is_a_plug_in_of_the_contract(name):
    assert issubclass(registry.find("surrogate", name).load(), Surrogate)
    assert registry.references("neuron", "lif", {"surrogate": name}) == [("surrogate", name)]


def test_a_neuron_says_which_surrogate_it_uses_by_default_also_where_its_type_is_str(tmp_path, monkeypatch):
    (tmp_path / "strs.py").write_text(
        "from bench.neurons import Neuron\n\n\n"
        "class Mine(Neuron):\n"
        '    """Mine."""\n\n'
        '    def __init__(self, *, surrogate: str = "atan", other: str = "x") -> None: ...\n\n\n'
        "class Child(Mine):\n"
        '    """Its child."""\n'
    )
    monkeypatch.syspath_prepend(tmp_path)
    for name in ("strs:Mine", "strs:Child"):
        assert registry.references("neuron", name, {}) == [("surrogate", "atan")]
        assert registry.find("neuron", name).problems({"surrogate": "atam", "other": "y"}) == {
            "surrogate": "'atam' is not a choice; did you mean 'atan'?"
        }
    assert registry.references("neuron", "relu", {}) == []


def test_the_derivative_of_a_neuron_is_looked_up_once():
    assert derivative_of("atan") is derivative_of("atan")
    assert LIF(surrogate="atan").surrogate == "atan"
