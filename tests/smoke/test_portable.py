"""Portable training: workers have the limits whatever they would inherit, and other processors give the same bytes."""

import json
import os
import shutil
import subprocess
import sys

import pytest
from support import ROOT
from support.command import spikebench
from support.suites import entry, small_suite

from bench.processor import PORTABLE, portable_environment
from bench.records.record import RunRecord

BEFORE = {
    "as it is": {},
    "avx2": {"ATEN_CPU_CAPABILITY": "avx2", "ONEDNN_MAX_CPU_ISA": "AVX2", "MKL_ENABLE_INSTRUCTIONS": "AVX2"},
}


def record_of(folder, environment, label, precision="fp32"):
    """Train one run of a small portable suite in a folder; return its record's line without the clock."""
    folder.mkdir()
    recipe = {"portable": True, "precision": precision}
    text = small_suite("mini", entry("ANN", "relu", 1), entry(label, label.lower(), 2), train=recipe)
    (folder / "mini.toml").write_text(text)
    done = spikebench("run", "mini.toml", "--only", label, "--device", "cpu", cwd=folder, **environment)
    assert done.returncode == 0, done.stderr
    [path] = folder.glob("runs/mini/*/record.json")
    record = RunRecord.from_json(path.read_text())
    assert record.provenance["algorithms"] == "portable" and record.provenance["path"] == "plain"
    assert record.provenance["machine"]["limits"] == PORTABLE
    assert record.provenance["machine"]["kernels"] in ("DEFAULT", "NO AVX")
    assert record.spec["train"]["portable"] is True
    return record.model_copy(update={"wall_clock": {}}).to_json()


@pytest.mark.long
@pytest.mark.parametrize(
    ("label", "precision"),
    [("LIF", "bf16"), pytest.param("CLIF", "fp32", marks=pytest.mark.slow)],
)
def test_a_portable_run_has_its_limits_and_its_numbers_whatever_the_libraries_were_told_before(
    label, precision, tmp_path
):
    lines = {name: record_of(tmp_path / name, env, label, precision) for name, env in BEFORE.items()}
    assert len(set(lines.values())) == 1


IN_PROCESS = """
import tempfile
from pathlib import Path
import torch
torch.set_num_threads(1)
from support.runs import small_run
from bench.runs.run import run_one
from bench.runs.training import Place
from bench.store.checkpoints import Checkpoints
from bench.suite.run_spec import PlannedRun, RunMeasure
for label, precision in (("ANN", "fp32"), ("LIF", "bf16"), ("CLIF", "fp32")):
    run = small_run(RunMeasure(), label)
    changes = {"portable": True, "precision": precision, "epochs": 3, "batch_size": 32}
    spec = run.spec.model_copy(update={"train": run.spec.train.model_copy(update=changes)})
    with tempfile.TemporaryDirectory() as folder:
        place = Place(Checkpoints(Path(folder) / "checkpoint.pt"), Path(folder))
        record = run_one(PlannedRun(run.suite, label, 0, spec, run.measure), place)
    print(record.model_copy(update={"wall_clock": {}, "provenance": {}}).to_json())
"""


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("qemu-x86_64") is None, reason="no qemu-x86_64 here (Debian: qemu-user)")
@pytest.mark.parametrize("processor", ["Nehalem", "Haswell", "EPYC-Rome"])
def test_portable_runs_have_the_same_numbers_on_an_emulated_processor(processor):
    """Of 2008 without AVX, of 2013 with AVX2, and AMD's: every library sees that processor, and no other."""
    paths = os.pathsep.join([str(ROOT), str(ROOT / "tests")])
    given = {**portable_environment(os.environ), "OMP_NUM_THREADS": "1", "PYTHONPATH": paths}
    lines = []
    for emulator in ([], ["qemu-x86_64", "-cpu", processor]):
        command = [*emulator, sys.executable, "-c", IN_PROCESS]
        done = subprocess.run(command, env=given, capture_output=True, text=True, timeout=3600)
        assert done.returncode == 0, done.stderr
        lines.append([json.loads(line) for line in done.stdout.splitlines()])
    assert [line["label"] for line in lines[0]] == ["ANN", "LIF", "CLIF"]
    assert lines[0] == lines[1]
