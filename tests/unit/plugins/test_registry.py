"""Plug-ins are found by name and described from their source."""

import os
import re
import sys

import pytest

from bench.errors import ParameterError, UnknownNameError
from bench.plugins import registry
from bench.plugins.contract import breach
from bench.plugins.trust import TRUST_VARIABLE, trust, trusted, trusted_modules, trusting

OUTSIDE = '''
"""A laboratory's own neuron."""
import torch
from bench.neurons.base import Neuron


class Half(Neuron):
    """Fires at half the threshold: s = [x >= threshold / 2]."""

    def __init__(self, *, threshold: float = 1.0, note: str | None = None, surrogate: str = "rectangle") -> None:
        super().__init__(surrogate=surrogate)
        self.threshold = threshold

    def initial_state(self, x):
        return ()

    def step(self, x, state):
        return self.fire(x - self.threshold / 2), state
'''


@pytest.fixture
def laboratory(tmp_path, monkeypatch):
    (tmp_path / "mylab.py").write_text(OUTSIDE)
    monkeypatch.syspath_prepend(tmp_path)
    yield
    sys.modules.pop("mylab", None)


def test_every_built_in_is_found():
    assert {"relu", "if", "lif", "plif", "clif"} <= set(registry.plugins("neuron"))
    assert {"direct", "rate", "latency"} <= set(registry.plugins("encoder"))
    assert {"convnet", "resnet18", "resnet34", "resnet50", "vgg11", "vgg13", "vgg16", "vgg19"} <= set(
        registry.plugins("model")
    )
    assert {"digits", "cifar10", "cifar100", "fashion-mnist", "tiny-imagenet"} <= set(registry.plugins("dataset"))


@pytest.mark.parametrize("kind", registry.FOLDERS)
def test_what_the_source_says_is_what_the_class_is(kind):
    for name, info in registry.plugins(kind).items():
        cls = info.load()
        assert cls.name == name
        assert info.summary


def test_the_schema_of_a_neuron_is_its_constructor():
    parameters = {parameter.name: parameter for parameter in registry.find("neuron", "lif").parameters}
    assert parameters["tau"].default == 2.0 and parameters["tau"].types == ("float",)
    assert "atan" in parameters["surrogate"].choices


def test_wrong_parameters_are_told_apart():
    info = registry.find("neuron", "lif")
    assert info.problems({"tau": 2}) == {}
    assert "did you mean 'tau'" in info.problems({"tua": 2.0})["tua"]
    assert "should be float, not str" in info.problems({"tau": "2"})["tau"]
    assert "should be a finite number, not inf" in info.problems({"tau": float("inf")})["tau"]
    assert "should be float, not bool" in info.problems({"tau": True})["tau"]
    assert "did you mean 'atan'" in info.problems({"surrogate": "atam"})["surrogate"]


def test_a_value_that_the_constructor_refuses_is_a_parameter_error():
    with pytest.raises(ParameterError, match=r"neuron 'lif'.*tau"):
        registry.create("neuron", "lif", tau=0.5)


def test_unknown_names_suggest_the_nearest():
    with pytest.raises(UnknownNameError, match=r"unknown neuron 'clief'; did you mean 'clif'"):
        registry.find("neuron", "clief")


def test_code_from_outside_is_described_without_running_it(laboratory, monkeypatch):
    monkeypatch.delenv(TRUST_VARIABLE, raising=False)
    parameters = {parameter.name: parameter for parameter in registry.find("neuron", "mylab:Half").parameters}
    assert parameters["note"].types == ("str", "None") and parameters["note"].default is None
    with pytest.raises(ParameterError, match=r"no class 'Hlaf' in .*mylab.py; did you mean 'Half'"):
        registry.find("neuron", "mylab:Hlaf")
    assert "mylab" not in sys.modules


def test_a_module_in_a_package_is_found_without_running_the_package(tmp_path, monkeypatch):
    for folder in ("lab", "lab/space"):
        (tmp_path / folder).mkdir()
    (tmp_path / "lab" / "__init__.py").write_text("raise SystemError('ran')")
    (tmp_path / "lab" / "space" / "neurons.py").write_text(OUTSIDE)  # its folder is a namespace
    monkeypatch.syspath_prepend(tmp_path)
    assert registry.find("neuron", "lab.space.neurons:Half").path == tmp_path / "lab" / "space" / "neurons.py"
    assert "lab" not in sys.modules


def test_code_from_outside_runs_only_when_it_is_trusted(laboratory, monkeypatch):
    monkeypatch.delenv(TRUST_VARIABLE, raising=False)
    with pytest.raises(ParameterError, match=r"would import 'mylab' .*--trust or set SPIKEBENCH_TRUST=mylab"):
        registry.create("neuron", "mylab:Half")
    monkeypatch.setenv(TRUST_VARIABLE, "mylabor, my")
    with pytest.raises(ParameterError, match="would import 'mylab'"):
        registry.create("neuron", "mylab:Half")
    assert "mylab" not in sys.modules
    with trusting(["other"]):
        trust(["mylab"])
        assert registry.create("neuron", "mylab:Half", threshold=0.5).threshold == 0.5
    with pytest.raises(ParameterError, match="would import 'mylab'"):
        registry.create("neuron", "mylab:Half")


def test_what_is_trusted_is_told_to_jobs_and_left_out_of_the_environment(monkeypatch):
    monkeypatch.setenv(TRUST_VARIABLE, " a, b.c,,a")
    assert trusted_modules() == ("a", "b.c") and trusted("a.deeper") and not trusted("b")
    with trusting(["d"]):
        trust(["e", "d"])
        assert trusted_modules() == ("d", "e") and not trusted("a")
    assert trusted_modules() == ("a", "b.c") and os.environ[TRUST_VARIABLE] == " a, b.c,,a"


@pytest.mark.parametrize("module", ["nowhere", "nowhere.deeper", "os.nowhere", "bench.nowhere", "..", "", "a b"])
def test_a_module_that_does_not_exist_is_named(module):
    with pytest.raises(ParameterError, match=f"no module '{re.escape(module)}' on Python's path"):
        registry.find("neuron", f"{module}:Neuron")


@pytest.mark.parametrize("module", ["os", "_io"])
def test_a_module_whose_source_cannot_be_read_is_told_from_one_that_is_not_there(module):
    with pytest.raises(ParameterError, match=f"there is no source of module '{module}'"):
        registry.find("neuron", f"{module}:path")


@pytest.mark.parametrize(
    ("kind", "name", "expected"),
    [
        ("neuron", "bench.neurons.lif:LIF", "is part of this package; its name is 'lif'"),
        ("engine", "bench.execute.engines.local:Local", "is part of this package; its name is 'local'"),
        ("neuron", "bench.neurons.base:Neuron", "is part of this package"),
        ("loss", "bench.neurons.lif:LIF", "is part of this package"),
    ],
)
def test_a_class_of_this_package_is_called_by_its_plain_name(kind, name, expected):
    with pytest.raises(ParameterError) as caught:
        registry.find(kind, name)
    assert str(caught.value) == f"{kind} '{name}': {expected}"


@pytest.fixture
def wrong(tmp_path, monkeypatch):
    """Write the source of module `wronglab`, which is trusted."""
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv(TRUST_VARIABLE, "wronglab")
    yield (tmp_path / "wronglab.py").write_text
    sys.modules.pop("wronglab", None)


@pytest.mark.parametrize(
    ("statement", "told"),
    [
        ("1 + 'a'", "TypeError: unsupported operand"),
        ("1 / 0", "ZeroDivisionError: division by zero"),
        ("{}['a']", "KeyError: 'a'"),
        ("raise RuntimeError('no driver\\nhere')", "RuntimeError: no driver here"),
        ("open('/nowhere')", "FileNotFoundError: "),
        ("assert False", "AssertionError: "),
        ("gone", "NameError: name 'gone'"),
        ("compile('class', 'inner.py', 'exec')", "SyntaxError: invalid syntax (inner.py, line 1)"),
        ("del Half", "AttributeError: module 'wronglab' has no attribute 'Half'"),
    ],
)
def test_what_a_module_raises_as_it_is_imported_is_one_message(wrong, statement, told):
    wrong(OUTSIDE + f"\n\n{statement}\n")
    with pytest.raises(ParameterError) as caught:
        registry.create("neuron", "wronglab:Half")
    assert str(caught.value).startswith(f"neuron 'wronglab:Half': cannot import 'wronglab': {told}".removesuffix(": "))
    assert "\n" not in str(caught.value)


def test_what_a_constructor_of_others_raises_is_one_message(wrong):
    wrong(OUTSIDE.replace("self.threshold = threshold", "self.threshold = threshold + 'a'"))
    with pytest.raises(ParameterError, match=r"^neuron 'wronglab:Half': TypeError: unsupported operand"):
        registry.create("neuron", "wronglab:Half")


def test_a_mistake_in_a_constructor_of_ours_is_no_mistake_of_the_user():
    with pytest.raises(TypeError), registry.find("neuron", "lif").constructing():
        raise TypeError
    with pytest.raises(ParameterError, match="neuron 'lif': no"), registry.find("neuron", "lif").constructing():
        raise ValueError("no")


def test_a_syntax_error_names_the_file(wrong, tmp_path):
    wrong("class Half(")
    with pytest.raises(ParameterError, match=r"wronglab\.py: not a Python file .*\(wronglab\.py, line 1\)"):
        registry.find("neuron", "wronglab:Half")


METHODS = {
    "neuron": ("bench.neurons.base.Neuron", "initial_state`, `step"),
    "surrogate": ("bench.neurons.surrogate.Surrogate", "derivative"),
    "encoder": ("bench.encoders.base.Encoder", "encode"),
    "model": ("torch.nn.Module", "forward"),
    "dataset": ("bench.data.base.Dataset", "load"),
    "augmentation": ("bench.data.augmentations.base.MixingAugmentation", "mix"),
    "optimizer": ("bench.train.optimizers.base.Optimizer", "build"),
    "schedule": ("bench.train.schedules.base.Schedule", "after_warmup"),
    "loss": ("bench.train.losses.base.Loss", "of"),
    "rule": ("bench.energy.rules.base.Rule", "layer`, `neuron"),
    "convention": ("bench.energy.conventions.base.Convention", "estimate"),
}


@pytest.mark.parametrize("kind", METHODS)
def test_a_class_that_is_none_of_its_kind_is_told_so(wrong, kind):
    base, methods = METHODS[kind]
    module, _, cls = base.rpartition(".")
    wrong(f"from {module} import {cls}\n\nclass Plain:\n    pass\n\nclass Hollow({cls}):\n    pass\n")
    with pytest.raises(ParameterError, match=rf"^{kind} 'wronglab:Plain': Plain should inherit from .*{base}"):
        registry.find(kind, "wronglab:Plain").load()
    with pytest.raises(ParameterError, match=rf"^{kind} 'wronglab:Hollow': Hollow has no `{methods}`$"):
        registry.find(kind, "wronglab:Hollow").load()


@pytest.mark.parametrize("kind", sorted(METHODS))
def test_every_class_of_ours_keeps_its_contract(kind):
    assert {name: breach(kind, info.load()) for name, info in registry.plugins(kind).items()} == dict.fromkeys(
        registry.plugins(kind), ""
    )


def test_a_neuron_of_another_library_need_not_inherit_from_ours(wrong):
    wrong("from torch import nn\n\nclass Theirs(nn.Module):\n    def forward(self, x):\n        return x\n")
    assert registry.create("neuron", "wronglab:Theirs").training


def test_a_module_that_cannot_be_imported_is_named(tmp_path, monkeypatch):
    (tmp_path / "halfway.py").write_text("import not_installed\n" + OUTSIDE)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv(TRUST_VARIABLE, "halfway")
    with pytest.raises(ParameterError, match="cannot import 'halfway': No module named 'not_installed'"):
        registry.create("neuron", "halfway:Half")


INHERITED = """
from bench.neurons.lif import LIF


class Mine(LIF):
    \"\"\"As LIF.\"\"\"
"""


@pytest.mark.parametrize("package", ["bench.neurons.lif", "bench.neurons"])
def test_a_neuron_that_inherits_its_constructor_has_its_parameters(tmp_path, monkeypatch, package):
    (tmp_path / "heirs.py").write_text(INHERITED.replace("bench.neurons.lif", package))
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv(TRUST_VARIABLE, "heirs")
    info = registry.find("neuron", "heirs:Mine")
    assert info.parameters == registry.find("neuron", "lif").parameters
    assert registry.create("neuron", "heirs:Mine", tau=3.0).tau == 3.0
    sys.modules.pop("heirs")


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("class Broken(", "not a Python file that can be read"),
        (
            INHERITED.replace('"""As LIF."""', "def __init__(self, *, tau: float = 1 + 1.5): ..."),
            ":6: the default of 'tau'",
        ),
        (
            INHERITED.replace('"""As LIF."""', "def __init__(self, *, tau: Literal[X] = 1): ..."),
            ":6: the default of 'tau' should be a literal, and its choices too",
        ),
        (
            INHERITED.replace('"""As LIF."""', "def __init__(self, *, tau: float = {[]: 1}): ..."),
            ":6: the default of 'tau'",
        ),
        ("x = '\0'", "not a Python file that can be read"),
        ("x = " + "(" * 5000 + ")" * 5000, "not a Python file that can be read"),
    ],
)
def test_a_plug_in_file_that_cannot_be_described_is_named(tmp_path, source, expected):
    (tmp_path / "neurons").mkdir()
    (tmp_path / "neurons" / "broken.py").write_text(source + '\n    name = "mine"\n')
    with pytest.raises(ParameterError) as caught:
        registry.scan("neuron", tmp_path)
    assert str(tmp_path / "neurons" / "broken.py") in str(caught.value) and expected in str(caught.value)


def test_what_the_harness_gives_is_no_parameter_of_a_suite(tmp_path, monkeypatch):
    (tmp_path / "percha.py").write_text(
        "import bench.neurons.base as base\n"
        "class PerChannel(base.Neuron):\n"
        '    """u = g x; s = [u >= 1]."""\n'
        "    def __init__(self, *, gain: float = 1.0, _channels: int) -> None:\n"
        "        super().__init__()\n"
        "        self.gains = [gain] * _channels\n"
        "    def initial_state(self, x):\n"
        "        return ()\n"
        "    def step(self, x, state):\n"
        "        return self.fire(x - 1), state\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("SPIKEBENCH_TRUST", "percha")
    info = registry.find("neuron", "percha:PerChannel")
    assert [parameter.name for parameter in info.parameters] == ["gain"] and info.harness == ("_channels",)
    made = registry.create("neuron", "percha:PerChannel", {"_channels": 3, "_other": 1}, gain=2.0)
    assert made.gains == [2.0] * 3
    with pytest.raises(ParameterError, match="unknown parameter"):
        registry.create("neuron", "percha:PerChannel", _channels=3)


def test_flags_are_inherited_as_python_does_it(tmp_path, monkeypatch):
    (tmp_path / "flags.py").write_text(
        "from bench.encoders.merged import Merged\n\n\n"
        "class Same(Merged):\n    pass\n\n\n"
        "class Other(Same):\n    single = False\n    static = True\n\n\n"
        "class Merged(Merged):\n    analog = True\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv(TRUST_VARIABLE, "flags")
    for name in ("Same", "Other", "Merged"):
        info = registry.find("encoder", f"flags:{name}")
        names = ("single", "static", "events", "analog", "normalised")
        assert {flag: info.flags[flag] for flag in names} == {flag: getattr(info.load(), flag) for flag in names}
    sys.modules.pop("flags")
