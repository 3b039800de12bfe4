"""The command's face: its frozen options, its exit codes, its messages."""

import os
import subprocess
import sys
import tomllib

import pytest
import typer.main
from support import ROOT
from support.command import in_process, spikebench

import bench.commands.app
from bench.commands.app import app
from bench.commands.options import Listing
from bench.plugins.installed import plural
from bench.plugins.registry import FOLDERS

# Knobs belong in the suite: an option added here must not change an experimental setting.
OPTIONS = {
    "run": {
        "suites",
        "only",
        "seed",
        "jobs",
        "device",
        "data",
        "offline",
        "dry_run",
        "force",
        "stale",
        "trust",
        "on",
        "per_gpu",
        "path",
        "profile",
        "submit_only",
        "until_settled",
        "most_seeds",
    },
    "speed": {"suite", "only", "against", "repeats", "json", "device", "data", "offline", "path", "trust"},
    "report": {"suites", "check", "format", "table", "convention", "trust"},
    "count": {"suite", "only", "seed", "json"},
    "count-model": {
        "model",
        "against",
        "input_",
        "batches",
        "layout",
        "kind",
        "reset",
        "energy",
        "convention",
        "json",
        "trust",
    },
    "diagnose": {"suite", "only", "seed", "json", "figure", "data", "offline", "trust"},
    "export-nir": {"suite", "only", "seed", "file", "trust"},
    "status": {"suites"},
    "watch": {"suites"},
    "check": {"suites", "trust"},
    "list": {"kind"},
    "rank": {"suites", "trust"},
    "tune": {"suite", "file", "jobs", "device", "data", "offline", "trust"},
    "diff": {"old", "new"},
    "check-neuron": {"neuron", "trust"},  # and the parameters of the neuron
    "doctor": {"suites", "data"},
    "clean": {"suites", "yes", "checkpoints", "unplanned", "data"},
    "plan": {"suites", "only", "seed", "on", "workers", "images_per_s", "everything", "trust"},
    "restamp": {"suites", "before", "after", "yes"},
    "new": set(),
}


def test_the_options_are_frozen():
    commands = typer.main.get_command(app).commands
    assert {name: {parameter.name for parameter in command.params} for name, command in commands.items()} == OPTIONS


GOOD = (ROOT / "suites" / "digits.toml").read_text()
BROKEN = {
    "unknown-key.toml": (GOOD.replace("batch_size", "batchsize").encode(), "did you mean 'batch_size'?"),
    "neuron.toml": (GOOD.replace('name = "clif"', 'name = "cliff"').encode(), "did you mean 'clif'?"),
    "type.toml": (GOOD.replace("epochs     = 30", 'epochs = "30"').encode(), "train.epochs"),
    "zero.toml": (GOOD.replace("timesteps = 4", "timesteps = 0").encode(), "timesteps"),
    "twice.toml": (GOOD.replace('label     = "LIF"', 'label = "ANN"').encode(), "labelled 'ANN'"),
    "baseline.toml": (GOOD.replace('baseline = "ANN"', 'baseline = "XNN"').encode(), "no entry 'XNN'"),
    "value.toml": (GOOD.replace('name = "lif", tau = 2.0', 'name = "lif", tau = 0.5').encode(), "tau"),
    "empty.toml": (b"", "is empty"),
    "binary.toml": (bytes(range(256)) * 4, "not a text file"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_suite_is_one_message_and_exit_code_2(name, tmp_path):
    content, expected = BROKEN[name]
    (tmp_path / name).write_bytes(content)
    done = spikebench("check", name, cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith(f"spikebench: {name}: ") and expected in done.stderr
    assert "Traceback" not in done.stderr and done.stdout == ""


def test_problems_of_several_suites_come_together(tmp_path):
    for name in ("neuron.toml", "zero.toml"):
        (tmp_path / name).write_bytes(BROKEN[name][0])
    done = spikebench("run", "neuron.toml", "zero.toml", "missing.toml", cwd=tmp_path)
    assert done.returncode == 2
    assert all(word in done.stderr for word in ("neuron.toml: ", "zero.toml: ", "missing.toml: no such file"))
    assert not (tmp_path / "runs").exists()


def test_a_good_suite_is_fine():
    done = spikebench("check", "suites/digits.toml")
    assert (done.returncode, done.stdout) == (0, "suites/digits.toml: fine (12 runs)\n")


def test_a_check_tells_what_deviates_from_a_published_recipe(tmp_path):
    deviations = 'deviations = ["[no] warm-up; published: 5 epochs", "batches of 32; published: 64"]'
    (tmp_path / "digits.toml").write_text(GOOD.replace("version ", f"{deviations}\nversion ", 1))
    done = spikebench("check", "digits.toml", cwd=tmp_path)
    assert (done.returncode, done.stdout.splitlines()) == (
        0,
        [
            "digits.toml: fine (12 runs)",
            "  deviates from the published recipe: [no] warm-up; published: 5 epochs",
            "  deviates from the published recipe: batches of 32; published: 64",
        ],
    ), done.stderr


def test_the_plan_comes_first_and_a_dry_run_stops_there(tmp_path):
    done = spikebench("run", ROOT / "suites/digits.toml", "--dry-run", "--only", "LIF", cwd=tmp_path)
    lines = done.stdout.splitlines()
    assert lines[0] == "3 runs: 3 to do"
    assert [line.split()[:3] for line in lines[1:]] == [["digits/LIF", "seed", str(seed)] for seed in range(3)]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["run", "suites/digits.toml", "--only", "CLIFF"], "no entry 'CLIFF'; did you mean 'CLIF'?"),
        (["run", "suites/digits.toml", "--seed", "9"], "no seed 9; known: 0, 1, 2"),
        (["run", "suites/digits.toml", "--device", "tpu"], "--device tpu: no such device here; known: auto, cpu"),
        (["run", "suites/digits.toml", "--on", "locl"], "unknown engine 'locl'; did you mean 'local'?"),
        (["report", "suites/digits.toml", "--convention", "sdtt"], "unknown convention 'sdtt'; did you mean 'sdt'?"),
        (["rank", "suites/digits.toml"], "rank: needs two suites or more"),
        (["diff", "no-such-revision", "HEAD"], "no-such-revision"),
    ],
)
def test_a_wrong_argument_is_explained(arguments, expected, tmp_path):
    (tmp_path / "suites").symlink_to(ROOT / "suites")
    done = spikebench(*arguments, cwd=tmp_path)
    assert done.returncode == 2 and expected in done.stderr and "Traceback" not in done.stderr


def test_missing_data_is_one_message_that_says_where_and_how(tmp_path):
    done = spikebench("run", ROOT / "suites/fashion.toml", "--offline", "--data", tmp_path / "nowhere", cwd=tmp_path)
    assert done.returncode == 2 and "Traceback" not in done.stderr
    assert str(tmp_path / "nowhere") in done.stderr and "SPIKEBENCH_DATA" in done.stderr
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    "kind", ["neurons", "surrogates", "encoders", "models", "datasets", "rules", "conventions", "suites", "tables"]
)
def test_list_names_what_a_suite_may_use(kind):
    expected = {
        "neurons": "clif",
        "surrogates": "rectangle",
        "rules": "lemaire",
        "conventions": "spikformer",
        "encoders": "direct",
        "models": "resnet18",
        "datasets": "fashion-mnist",
        "suites": "suites/digits.toml",
        "tables": "horowitz-fp32",
    }
    done = spikebench("list", kind)
    assert done.returncode == 0 and expected[kind] in done.stdout


def test_every_kind_of_plug_in_can_be_listed():
    assert {plural(kind) for kind in FOLDERS} | {"suites", "tables"} == {listing.value for listing in Listing}


def test_an_interrupt_of_any_verb_is_one_line(monkeypatch, capsys):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("bench.suite.load.load_suite", interrupted)
    for verb in ("run", "report", "status", "check"):
        monkeypatch.setattr(sys, "argv", ["spikebench", verb, "suites/digits.toml"])
        with pytest.raises(SystemExit) as caught:
            bench.commands.app.main()
        assert (caught.value.code, *capsys.readouterr()) == (130, "interrupted\n", "")


def test_the_verb_main_is_what_the_script_calls(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["spikebench", "check", "nowhere.toml"])
    with pytest.raises(SystemExit) as caught:
        bench.commands.app.main()
    assert caught.value.code == 2
    assert capsys.readouterr().err.startswith("spikebench: nowhere.toml: no such file")


def test_the_version_is_that_of_the_package():
    done = in_process("--version")
    with open(ROOT / "pyproject.toml", "rb") as file:
        version = tomllib.load(file)["project"]["version"]
    assert (done.returncode, done.stdout, done.stderr) == (0, f"spikebench {version}\n", "")


@pytest.mark.parametrize(
    ("typed", "at", "completed"), [("re", 1, ["report", "restamp"]), ("run --dr", 2, ["--dry-run"])]
)
def test_a_shell_completes_verbs_and_options(typed, at, completed):
    asked = {"_SPIKEBENCH_COMPLETE": "complete_bash", "COMP_WORDS": f"spikebench {typed}", "COMP_CWORD": str(at)}
    program = "import sys; sys.argv = ['spikebench']; from bench.__main__ import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", program], env=os.environ | asked, cwd=ROOT, capture_output=True, text=True, timeout=120
    )
    assert done.stdout.split() == completed, done.stderr
