"""The digest of the code that made a record: what cannot move a number leaves it alone, what can does not."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from bench.runs.provenance import RUN, TRAINING
from bench.runs.sources import PACKAGE, closure, sources_digest

ROOT = Path(__file__).parents[3]
PRINT = (
    "from bench.runs.provenance import code_digest\n"
    "from bench.suite.load import load_suite\n"
    "print(*[code_digest(run.spec) for run in load_suite('digits.toml').select(seed=0)])"
)


@pytest.fixture
def package(tmp_path):
    """A copy of this package, to be changed."""
    return copied(tmp_path)


@pytest.fixture(scope="module")
def before(tmp_path_factory):
    """The digests of a copy that is as this package is, wherever it lies."""
    return digests(copied(tmp_path_factory.mktemp("before")))


def copied(folder):
    shutil.copytree(ROOT / "bench", folder / "bench", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "suites" / "digits.toml", folder)
    return folder


def test_a_run_reaches_what_trains_and_measures_and_no_plugin_report_or_price():
    files = {path.relative_to(PACKAGE).as_posix() for path in closure(RUN)}
    assert {"runs/run.py", "train/loop.py", "suite/run_spec.py", "measure/counting/synops.py"} <= files
    apart = {
        "neurons/lif.py",
        "models/convnet.py",
        "data/digits.py",
        "data/augmentations/roll.py",
        "train/optimizers/sgd.py",
        "suite/load.py",
        "report/page.py",
        "energy/table.py",
    }
    assert not files & apart


def digests(package):
    """Of ANN, LIF, PLIF and CLIF, by the code that lies there."""
    done = subprocess.run(
        [sys.executable, "-c", PRINT], cwd=package, env={"PYTHONPATH": "."}, capture_output=True, text=True, check=True
    )
    return done.stdout.split()


def replaced(path, old, new):
    text = path.read_text("utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), "utf-8")


def test_each_neuron_enters_the_digest_of_its_own_runs_alone(package, before):
    assert len(set(before)) == 4
    replaced(package / "bench/neurons/clif.py", "sigmoid", "tanh")
    after = digests(package)
    assert after[:3] == before[:3] and after[3] != before[3]


def test_a_surrogate_enters_the_digest_of_the_neurons_that_use_it(package, before):
    replaced(package / "bench/neurons/surrogates/rectangle.py", "<= 0.5", "< 0.5")
    after = digests(package)
    assert after[0] == before[0] and not set(after[1:]) & set(before)
    replaced(package / "bench/neurons/surrogates/atan.py", "class", "# Nobody names it.\nCONSTANT = 1\n\n\nclass")
    assert digests(package) == after


def test_words_places_and_what_keeps_results_leave_every_digest(package, before):
    bench = package / "bench"
    replaced(bench / "files/lock.py", "is at work here; wait for it", "has it")
    replaced(bench / "store/store.py", "to be trained from the start, as was asked", "afresh")
    replaced(bench / "report/formats/markdown.py", "# {self.inline", "## {self.inline")
    replaced(bench / "neurons/base.py", '"""', '"""Another word. ')
    replaced(bench / "models/layers.py", "from __future__", "# A comment.\nfrom __future__")
    replaced(bench / "errors.py", "did you mean", "you mean")
    replaced(bench / "plugins/signature.py", "is out of range; at most", "is more than")
    replaced(bench / "plugins/trust.py", "\n\n\ndef ", "\n\nWORDS = 1\n\n\ndef ")
    replaced(bench / "runs/run.py", "is the threshold too high?", "why?")
    moved = bench / "seeds"
    moved.mkdir()
    (moved / "__init__.py").write_text('"""Seeds."""\n')
    (bench / "seeding.py").rename(moved / "purpose.py")
    for path in bench.rglob("*.py"):
        path.write_text(path.read_text("utf-8").replace("bench.seeding import", "bench.seeds.purpose import"), "utf-8")
    assert digests(package) == before


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("seeding.py", "sha256", "sha512"),
        ("measure/evaluate.py", "logits.cumsum(0)", "logits.cummax(0)[0]"),
        ("train/learner.py", "logits.mean(0)", "logits.sum(0)"),
        ("train/optimizers/adamw.py", "fused=fused", "fused=False"),
        ("train/losses/ce.py", "logits.mean(0)", "logits.sum(0)"),
        ("train/schedules/one_cycle.py", "1 / 25", "1 / 20"),
        ("data/digits.py", "test_samples = 360", "test_samples = 361"),
        ("models/convnet.py", "width << stage", "width * stage"),
    ],
)
def test_what_computes_changes_every_digest(package, before, file, old, new):
    replaced(package / "bench" / file, old, new)
    assert not set(digests(package)) & set(before)


def digest(folder, module="mylab.neurons"):
    return sources_digest([(folder / f"{module.rpartition('.')[2]}.py", module)])


def write(folder, **files):
    folder.mkdir(exist_ok=True)
    for name, text in files.items():
        (folder / f"{name}.py").write_text(text)
    return folder


def test_a_plugin_of_somebody_else_enters_with_its_own_package_and_nothing_else(tmp_path):
    files = {
        "__init__": "",
        "neurons": "import torch\nfrom mylab.maths import half\nfrom . import other\n",
        "maths": "def half(x):\n    return x / 2\n",
        "other": "from mylab import neurons\n",  # a circle
        "apart": "",
    }
    package = write(tmp_path / "one") / "mylab"
    write(package, **files)
    names = {path.name for path in closure(package / "neurons.py", "mylab.neurons")}
    assert names == {"neurons.py", "maths.py", "other.py", "__init__.py"}
    first = digest(package)
    again = write(tmp_path / "two") / "mylab"
    write(again, **files | {"maths": '"""Words."""\n\n\ndef half(x):\n    # why\n    return x / 2\n', "apart": "x = 1"})
    assert digest(again) == first
    other = write(tmp_path / "three") / "mylab"
    write(other, **files | {"maths": "def half(x):\n    return x / 3\n"})
    assert digest(other) != first


@pytest.mark.parametrize(
    ("first", "second", "same"),
    [
        ("def f(x):\n    return x + 1\n", 'def f(x):\n    "Add."\n    return (x + 1)  # one\n', True),
        ("raise ValueError('a')\n", "raise ValueError('b')\n", True),
        ("raise ValueError('a')\n", "raise TypeError('a')\n", False),
        ("raise Stop(1, f'{x}')\n", "raise Stop(2, f'{x}')\n", False),
        ("raise Stop(1, f'{x}')\n", "raise Stop(1, f'{y}' + 'z')\n", True),
        ("assert x, 'a'\n", "assert x, 'b'\n", True),
        ("x = 1\n'about x'\n", "x = 1\n", True),
        ("_log.info('a')\nx = 1\n", "x = 1\n", True),
        ("if TYPE_CHECKING:\n    pass\nelse:\n    x = 1\n", "if TYPE_CHECKING:\n    pass\nelse:\n    x = 2\n", False),
        ("x = 1\n", "from typing import TYPE_CHECKING\nx = 1\n", False),
        ("if TYPE_CHECKING:\n    import a\nx = 1\n", "if TYPE_CHECKING:\n    import b\nx = 1\n", True),
        ("x = {'a': 1}\n", "x = {'b': 1}\n", False),
        ("x: int = 1\n", "x: float = 1\n", False),
        ("f'{x:>{y}}'\n", "f'{x:>{z}}'\n", False),
    ],
)
def test_what_a_file_does_is_its_digest(tmp_path, first, second, same):
    paths = tmp_path / "first" / "plugin.py", tmp_path / "second" / "plugin.py"
    for path, text in zip(paths, (first, second), strict=True):
        path.parent.mkdir()
        path.write_text(text)
    found = [sources_digest([(path, "plugin")]) for path in paths]
    assert (found[0] == found[1]) == same


@pytest.mark.parametrize(
    ("module", "text", "file", "old", "new"),
    [
        ("mylab.neurons", "from bench.neurons import LIF\n\n\nclass Mine(LIF):\n    pass\n", "", "", ""),
        ("mylab.neurons", "from mylab.maths import X\n", "mylab/maths.py", "X = 1", "X = 2"),
        ("neurons", "from maths import X\n", "maths.py", "X = 1", "X = 2"),
        ("mylab.inner.neurons", "X = 1\n", "mylab/__init__.py", "set(1)", "set(2)"),
    ],
)
def test_what_a_plugin_imports_enters_wherever_it_lies(tmp_path, module, text, file, old, new):
    path = tmp_path.joinpath(*module.split(".")).with_suffix(".py")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    if not file:
        names = {found.relative_to(PACKAGE).as_posix() for found in closure(path, module) if found != path}
        assert {"neurons/lif.py", "neurons/leaky.py", "neurons/base.py"} <= names
        return
    (tmp_path / file).write_text(old)
    first = sources_digest([(path, module)])
    moved = tmp_path / "again"
    shutil.copytree(tmp_path, moved, ignore=shutil.ignore_patterns("again"))
    again = moved / path.relative_to(tmp_path)
    assert sources_digest([(again, module)]) == first
    other = tmp_path / "other"
    shutil.copytree(moved, other)
    (other / file).write_text(new)
    assert sources_digest([(other / path.relative_to(tmp_path), module)]) != first


def test_two_files_that_change_places_change_the_digest(tmp_path):
    files = {"neurons": "from mylab import a, b\n", "a": "X = 1\n", "b": "X = 2\n"}
    first = digest(write(write(tmp_path / "one") / "mylab", **files))
    second = digest(write(write(tmp_path / "two") / "mylab", **files | {"a": "X = 2\n", "b": "X = 1\n"}))
    assert first != second


@pytest.mark.parametrize("content", [b"# -*- coding: latin-1 -*-\nX = '\xe9'\n", b"print 'Python 2'\n", b"x = 1\0"])
def test_a_file_that_need_not_be_read_by_this_python_enters_as_it_is(tmp_path, content):
    package = write(write(tmp_path / "one") / "mylab", neurons="from mylab import old\n")
    (package / "old.py").write_bytes(content)
    first = digest(package)
    other = write(write(tmp_path / "two") / "mylab", neurons="from mylab import old\n")
    (other / "old.py").write_bytes(content.replace(b"2", b"3").replace(b"X", b"Y").replace(b"x", b"y"))
    assert digest(other) != first


def test_what_only_measures_does_not_decide_over_weights():
    whole, training = (closure(path, f"bench.runs.{path.stem}") for path in (RUN, TRAINING))
    assert training < whole
    inside = {path.relative_to(PACKAGE).as_posix() for path in training}
    assert {"train/loop.py", "models/build.py", "data/feed/loader.py", "measure/evaluate.py"} <= inside
    assert not [path for path in inside if path.startswith("measure/counting/") or path == "records/record.py"]
