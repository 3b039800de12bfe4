"""The README's commands, executed in a fresh copy as a new user would."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from support import ROOT
from support.command import spikebench
from support.readme_table import with_tables

from bench.plugins.registry import plugins
from bench.runs.assembly import assemble
from bench.suite.load import load_suite

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


def test_the_tables_are_what_records_and_docstrings_give():
    assert with_tables(README) == README


def test_the_three_commands_are_make_targets(clone):
    assert commands(BLOCKS["sh"][0]) == ["make bench", "make bench-cifar", "make test"]
    assert "suites/cifar10.toml" in shell("make -n bench-cifar", clone)
    assert "suites/cifar10-small.toml" in shell("make -n bench-cifar10-small", clone)
    assert "pytest" in shell("make -n test", clone)
    help_text = shell("make help", clone)
    assert all(word in help_text for word in ("setup", "bench", "bench-cifar", "bench-%", "test", "report"))


@pytest.mark.long
def test_the_neuron_of_the_readme_works_as_written(tmp_path, clone):
    """In a package outside this one, beside LIF and CLIF: it keeps the contract, trains, and is in the report."""
    source, entry = BLOCKS["python"][0], BLOCKS["toml"][0]
    assert len(source.strip().splitlines()) <= 30
    (tmp_path / "mylab").mkdir()
    (tmp_path / "mylab" / "neurons.py").write_text(source)
    (tmp_path / "suites").mkdir()
    text = (clone / "suites" / "digits.toml").read_text().replace('"digits"', '"mine"', 1)
    text = text.replace("seeds    = [0, 1, 2]", "seeds    = [0]")
    (tmp_path / "suites" / "mine.toml").write_text(text.replace("epochs     = 30", "epochs = 2") + "\n" + entry)
    refused = spikebench("run", "suites/mine.toml", cwd=tmp_path, PYTHONPATH=str(clone))
    assert refused.returncode == 2 and "pass --trust or set SPIKEBENCH_TRUST=mylab.neurons" in refused.stderr
    check, run, report = commands(BLOCKS["sh"][1])
    paths = f"{clone}:{tmp_path}"
    assert "keeps the contract" in shell(check, tmp_path, PYTHONPATH=paths)
    assert "5 to do" in shell(run, tmp_path, PYTHONPATH=paths)
    shell(report, tmp_path, PYTHONPATH=paths)
    page = (tmp_path / "reports" / "mine" / "report.md").read_text()
    assert "adaptive LIF" in page and "mylab.neurons:AdaptiveLIF" in page
    shell("spikebench status suites/mine.toml", tmp_path, PYTHONPATH=paths)  # nothing runs, so no trust is needed


def test_the_event_suite_of_the_readme_is_one(tmp_path):
    top = """
    name = "events"
    title = "Events"
    baseline = "CLIF"
    seeds = [0]
    energy = ["horowitz-fp32"]
    model = { name = "convnet", stages = 2 }
    train = { epochs = 1, batch_size = 8, optimizer = { name = "sgd", learning_rate = 0.1 } }
    """
    (tmp_path / "events.toml").write_text(top + next(block for block in BLOCKS["toml"] if "[dataset]" in block))
    [run] = load_suite(tmp_path / "events.toml").runs
    assembly = assemble(run.spec)
    assert assembly.dataset.sample_shape == (8, 2, 17, 17) and assembly.encoder.events
    assert {name for name in re.findall(r"`([a-z0-9-]+)`", README.split("## Event cameras")[1].split("```")[0])} == {
        name for name, info in plugins("dataset").items() if info.flags.get("events")
    }


@pytest.mark.long
def test_make_bench_and_the_commands_after_it(clone):
    """The first command of the README from nothing to a report, then again with nothing to do; of 3 epochs, not 30."""
    shutil.rmtree(clone / "reports", ignore_errors=True)
    suite = clone / "suites" / "digits.toml"
    suite.write_text(suite.read_text().replace("epochs     = 30", "epochs     = 3"))
    assert load_suite(suite).runs[0].spec.train.epochs == 3
    printed = shell("make bench", clone)
    assert "12 runs: 12 to do" in printed and "CLIF" in printed
    report = (clone / "reports" / "digits" / "report.md").read_text()
    assert report.startswith("# ") and "matched" in report
    assert "12 runs: 12 done, 0 to do" in shell("make bench", clone)
    for command in commands(BLOCKS["sh"][2]) + commands(BLOCKS["sh"][3]):
        assert shell(command, clone)
    every, one, profiled = commands(BLOCKS["sh"][4])
    table = shell(f"{every} --repeats 1", clone)
    assert all(f"| {label} " in table for label in ("ANN", "LIF", "PLIF", "CLIF"))
    assert "| CLIF " in shell(f"{one} --repeats 1", clone) and (clone / "speed.json").is_file()
    assert "convolution_backward" in shell(profiled, clone)
    assert float(shell(f"{sys.executable} -c '{snippet()}'", clone).split()[0]) > 0


def snippet():
    assert "'" not in BLOCKS["python"][1]
    return BLOCKS["python"][1]
