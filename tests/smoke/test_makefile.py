"""The Makefile's longer targets, with a stand-in for Python that says what it was asked."""

import os
import shutil
import subprocess

import pytest
from support import ROOT

pytestmark = pytest.mark.skipif(shutil.which("make") is None, reason="no make here")

NAMES = {"MAKEFLAGS", "MFLAGS", "MAKELEVEL", "DEVICE", "SUITE", "SPEED", "AGAINST", "OFFLINE", "PYTHON"}
STAND_IN = """#!/bin/sh
echo "$*" >> asked.txt
echo "said of $2"
case "$*" in *"$FAILING"*) exit 3;; esac
"""


@pytest.fixture
def make(tmp_path):
    """Run make with a Python for which everything succeeds but what has `failing` in its arguments."""
    shutil.copy(ROOT / "Makefile", tmp_path)
    python = tmp_path / "env" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text(STAND_IN)
    python.chmod(0o755)
    (tmp_path / "env" / ".ready").touch()

    def run(*arguments, failing="nothing of it"):
        inherited = {name: value for name, value in os.environ.items() if name not in NAMES}
        environment = {**inherited, "VENV": "env", "FAILING": failing}
        done = subprocess.run(
            ["make", *arguments], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60
        )
        asked = tmp_path / "asked.txt"
        lines = asked.read_text().splitlines() if asked.exists() else []
        asked.unlink(missing_ok=True)
        return done, lines

    return run


def test_a_failed_gpu_test_does_not_keep_the_rest_from_being_measured(make, tmp_path):
    done, asked = make("gpu", "OFFLINE=--offline", failing="pytest")
    assert done.returncode == 2 and "failed: gpu-tests.txt (see reports/cifar10/speed)" in done.stderr
    assert [line.split(" --")[0] for line in asked] == [
        "-m pytest tests/gpu -m gpu",
        "benchmarks/neurons.py",
        "-m bench speed suites/cifar10.toml",
        "-m bench speed suites/cifar10.toml",
    ]
    assert all("--offline" in line and "spikingjelly" not in line for line in asked[2:])
    kept = {path.name: path.read_text() for path in (tmp_path / "reports/cifar10/speed").iterdir()}
    assert sorted(kept) == ["fused.md", "gpu-tests.txt", "graphed.md", "neurons.md"]
    assert kept["gpu-tests.txt"] == "said of pytest\n"


def test_the_suite_is_trained_all_the_same_and_the_failure_told_at_the_end(make):
    done, asked = make("results", "DEVICE=cpu", failing="benchmarks/neurons.py")
    assert done.returncode == 2 and "failed: neurons.md" in done.stderr
    assert [line.partition(" suites")[0] for line in asked[-3:]] == [
        "-m bench run",
        "-m bench report",
        "tests/support/readme_table.py",
    ]
    done, asked = make("results", "DEVICE=cpu")
    assert done.returncode == 0 and not any("graphed" in line for line in asked)
    done, asked = make("results", "DEVICE=cpu", failing="bench run")
    assert done.returncode == 2 and not any("bench report" in line for line in asked)


def test_an_environment_is_set_up_anew_for_other_requirements_and_no_other(make, tmp_path):
    ready, path = tmp_path / "env" / ".ready", f"PYTHON={tmp_path}/env/bin/python"
    install = "-m pip install --quiet --constraint constraints.txt --editable .[dev]"
    (tmp_path / "pyproject.toml").write_text("a")
    assert make("setup", path)[1] == []  # an environment of somebody's own
    ready.unlink()
    assert make("setup", path)[1] == ["-m venv env", install] and ready.read_text().strip()
    assert make("setup", path)[1] == []
    (tmp_path / "constraints.txt").write_text("b")
    done, asked = make("setup", path, failing="pip")
    assert done.returncode == 2 and asked[-1] == install
    assert make("setup", path)[1] == ["-m venv env", install]
    assert make("setup", path)[1] == []


def test_a_dry_run_does_nothing(make, tmp_path):
    for target in ("gpu", "results"):
        done, asked = make("-n", target)
        assert done.returncode == 0 and asked == [] and "env/bin/python" in done.stdout
    assert not (tmp_path / "reports").exists()
