"""The README's commands, executed in a fresh copy as a new user would."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))
from readme_table import ROOT, with_table

README = (ROOT / "README.md").read_text()
BLOCKS = {kind: re.findall(rf"```{kind}\n(.*?)```", README, re.DOTALL) for kind in ("sh", "python", "toml")}
ENVIRONMENT = Path(sys.prefix)


@pytest.fixture(scope="module")
def clone(tmp_path_factory):
    """Copy what git has, or would have after `git add`, into a new folder."""
    folder = tmp_path_factory.mktemp("clone")
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    return folder


def shell(command, folder, **more):
    path = f"{ENVIRONMENT / 'bin'}:{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "VENV": str(ENVIRONMENT), "PYTHONPATH": str(folder), **more}
    done = subprocess.run(command, shell=True, cwd=folder, env=environment, capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def commands(block):
    return [line.split("  #")[0].strip() for line in block.splitlines() if line.strip()]


def test_the_table_is_what_the_committed_records_give():
    assert with_table(README) == README


def test_the_three_commands_are_make_targets(clone):
    assert commands(BLOCKS["sh"][0]) == ["make bench", "make bench-cifar", "make test"]
    assert "suites/cifar10.toml" in shell("make -n bench-cifar", clone)
    assert "suites/cifar10-small.toml" in shell("make -n bench-cifar10-small", clone)
    assert "pytest" in shell("make -n test", clone)
    help_text = shell("make help", clone)
    assert all(word in help_text for word in ("setup", "bench", "bench-cifar", "bench-%", "test", "report"))


def test_the_neuron_of_the_readme_works_as_written(clone):
    """Saved where the README says, it is listed, passes the conformance tests and trains in a suite."""
    source, entry = BLOCKS["python"][0], BLOCKS["toml"][0]
    path, suite = clone / "bench" / "neurons" / "alif.py", clone / "suites" / "alif.toml"
    path.write_text(source)
    text = (clone / "suites" / "digits.toml").read_text().replace('"digits"', '"alif"', 1)
    text = text.replace("seeds    = [0, 1, 2]", "seeds    = [0]").replace("epochs     = 30", "epochs = 2")
    suite.write_text(text + "\n" + entry)
    try:
        assert "u = (1 - 1/tau) v + x" in shell("spikebench list neurons", clone)
        shell(f"{sys.executable} -m pytest -q tests/conformance -k alif -p no:cacheprovider", clone)
        shell("spikebench run suites/alif.toml --only ALIF && spikebench report suites/alif.toml", clone)
        assert "ALIF" in (clone / "reports" / "alif" / "report.md").read_text()
    finally:
        path.unlink()
        suite.unlink()


def test_make_bench_and_the_commands_after_it(clone):
    """The first command of the README from nothing to a report, then again with nothing to do."""
    shutil.rmtree(clone / "reports", ignore_errors=True)
    printed = shell("make bench", clone)
    assert "12 runs: 12 to do" in printed and "CLIF" in printed
    report = (clone / "reports" / "digits" / "report.md").read_text()
    assert report.startswith("# ") and "matched" in report
    assert "12 runs: 12 done, 0 to do" in shell("make bench", clone)
    for command in commands(BLOCKS["sh"][1]):
        assert shell(command, clone)
    assert float(shell(f"{sys.executable} -c '{snippet()}'", clone).split()[0]) > 0


def snippet():
    assert "'" not in BLOCKS["python"][1]
    return BLOCKS["python"][1]
