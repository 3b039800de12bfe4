"""The verbs for whoever writes a neuron."""

import os
import subprocess
import sys

import pytest
from support import ROOT
from support.command import afresh, spikebench
from support.laboratory import SURROGATE

from bench.errors import BenchError
from bench.kit.scaffold import new_neuron


@pytest.fixture
def started(tmp_path):
    done = spikebench("new", "neuron", "my-LIF", "lab", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[:2] == ["lab/my_lif.py", "lab/test_my_lif.py"]
    assert 'neuron = { name = "my_lif:MyLIF" }' in done.stdout
    return tmp_path / "lab"


@pytest.mark.long
def test_a_new_neuron_keeps_the_contract_as_written_and_needs_no_source_to_do_so(started):
    path, (toolkit, surrogates) = started / "my_lif.py", (started / "cuda", started / "wide.py")
    written = path.read_text()
    path.write_text(written.replace("    Source: where the equation comes from.\n", ""))
    surrogates.write_text(SURROGATE)
    toolkit.mkdir()
    arguments = ("--trust", "--tau", "3", "--surrogate=wide:Wide")
    done = afresh("check-neuron", "my_lif:MyLIF", *arguments, cwd=started, CUDA_HOME=str(toolkit))
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[-1] == "my_lif:MyLIF: keeps the contract; 1 hint, which breaks nothing"
    assert "hint    documentation" in done.stdout and "BROKEN" not in done.stdout
    assert not done.stderr  # torch, when it compiles, warns of a toolkit without a GPU
    path.write_text(written)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "."]
    tests = subprocess.run(
        command, cwd=started, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, timeout=300
    )
    assert tests.returncode == 0 and "3 passed" in tests.stdout, tests.stdout


def test_nothing_is_overwritten(started):
    before = (started / "my_lif.py").read_text()
    done = spikebench("new", "neuron", "my_lif", ".", cwd=started)
    assert done.returncode == 2 and "my_lif.py: exists already" in done.stderr
    assert (started / "my_lif.py").read_text() == before


@pytest.mark.parametrize("name", ["9lives", "class", "a.b", "../x", ""])
def test_a_name_that_is_no_module_is_refused(name, tmp_path):
    done = spikebench("new", "neuron", name, "lab", cwd=tmp_path)
    assert done.returncode == 2 and "cannot be a Python module" in done.stderr and "Traceback" not in done.stderr
    assert not list(tmp_path.rglob("*.py"))


@pytest.mark.parametrize("name", ["torch", "random", "bench", "pytest"])
def test_a_name_that_would_hide_a_module_is_refused(name, tmp_path):
    with pytest.raises(BenchError, match=f"'{name}' is the name of a module that is there already"):
        new_neuron(name, tmp_path)
    with pytest.raises(BenchError, match="cannot be a Python module"):
        new_neuron("none", tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_broken_neuron_is_shown_with_the_line_and_the_input(started):
    path = started / "my_lif.py"
    path.write_text(path.read_text().replace("return s, (u", "return 0.5 * s, (u"))
    done = spikebench("check-neuron", "my_lif:MyLIF", cwd=started)
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert "BROKEN  binary" in done.stdout and "puts out [0.5]" in done.stdout
    assert "the smallest input found, x [T, N, C, ...]: torch.tensor([[[" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["cliff"], "unknown neuron 'cliff'; did you mean 'clif'?"),
        (["lif", "--tua", "3"], "--tua: neuron 'lif' has no such parameter; did you mean 'tau'?"),
        (["lif", "--tau"], "--tau: needs a value"),
        (["my_lif:MyLIF", "--surrogate", "wide:Wide"], "would import 'wide'"),
        (["lif", "--tau", "much"], "tau: should be float, not str"),
        (["lif", "--tau", "0.5"], "tau should be above 1 timestep"),
        (["lif", "tau"], "'tau': expected a parameter of the neuron"),
        (["nowhere.neurons:X"], "there is no module 'nowhere.neurons' on Python's path"),
    ],
)
def test_a_wrong_argument_is_explained(arguments, expected, tmp_path):
    new_neuron("my-LIF", tmp_path)
    (tmp_path / "wide.py").write_text(SURROGATE)
    done = spikebench("check-neuron", *arguments, cwd=tmp_path)
    assert done.returncode == 2 and expected in done.stderr and "Traceback" not in done.stderr
