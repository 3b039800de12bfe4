"""Every verb that only looks: in other locales, on a narrow terminal, without a home, in a folder of any name."""

import sys

import pytest
import typer.main
from support import ROOT
from support.command import in_process, spikebench
from support.reports import make_record
from support.suites import entry, small_suite

from bench.commands.app import app
from bench.files.durable import atomic_write
from bench.store.failures import write_failure
from bench.store.store import State, Store
from bench.suite.load import load_suite

SUITE, LABEL = "мини x.toml", "LIF θ ± 实"
VERBS = {
    "status": (SUITE,),
    "watch": (SUITE,),
    "check": (SUITE,),
    "report": (SUITE,),
    "report --check": (SUITE,),
    "rank": (SUITE, "suites/other.toml"),
    "diff": ("reports/mini", "reports/mini/records.jsonl"),
    "doctor": (SUITE,),
    "clean": (SUITE,),
    "run --dry-run": (SUITE, "--only", LABEL),
    "list": ("neurons",),
    "list tables": (),
    "list suites": (),
    "new neuron": ("my_lif", "новый lif"),
    "--help": (),
    "run --help": (),
}
# They need what was trained, or seconds.
TRAINED = {"count", "count-model", "diagnose", "export-nir", "speed", "check-neuron", "restamp", "tune", "plan"}
pytestmark = pytest.mark.skipif(
    sys.getfilesystemencoding() != "utf-8", reason="where the tests run, no file can have a name of every alphabet"
)
C_LOCALE = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with a suite and its report, whose names, labels and title are of every alphabet."""
    folder = tmp_path_factory.mktemp("проба 实验 ü")
    text = small_suite("mini", entry("ANN", "relu", 1), entry(LABEL, "lif", 2), title="Größe ± 实")
    for path in (folder / SUITE, folder / "suites" / "mini.toml"):
        atomic_write(path, text)
    atomic_write(folder / "suites" / "other.toml", text.replace('"mini"', '"other"'))
    records = [make_record(run, resolved={}) for run in load_suite(folder / SUITE).runs]
    for name in ("mini", "other"):
        atomic_write(folder / f"reports/{name}/records.jsonl", "".join(record.to_json() + "\n" for record in records))
    return folder


@pytest.fixture(autouse=True)
def narrow_and_homeless(place, monkeypatch):
    monkeypatch.chdir(place)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("HOME", str(ROOT / "LICENSE"))  # a file: nothing can be written below it


def words(verb):
    return [*verb.split(), *VERBS[verb]]


def test_every_verb_is_tried():
    assert {verb.split()[0] for verb in VERBS} - {"--help"} == set(typer.main.get_command(app).commands) - TRAINED


@pytest.mark.parametrize(
    ("verb", "encoding"),
    [*((verb, "ascii") for verb in VERBS), ("status", "cp1252"), ("status", "utf-8"), ("list", "cp1252")],
)
def test_a_verb_prints_in_any_encoding(verb, encoding, place):
    for path in place.glob("новый lif/*"):
        path.unlink()
    done = in_process(*words(verb), encoding=encoding)
    assert (done.returncode, "Traceback" in done.stderr) == (0, False), done.stderr
    if verb in ("status", "run --dry-run"):
        assert {"ascii": "LIF theta +/- ?", "cp1252": "LIF theta ± ?", "utf-8": LABEL}[encoding] in done.stdout


@pytest.mark.parametrize("verb", ["report", "run --dry-run"])
def test_a_verb_works_in_the_c_locale(verb, place):
    done = spikebench(*words(verb), cwd=place, COLUMNS="80", HOME=str(ROOT / "LICENSE"), **C_LOCALE)
    assert done.returncode == 0, done.stderr
    if verb == "report":
        assert (place / "reports/mini/report.md").read_bytes().decode("utf-8").startswith("# Größe ± 实\n")
        assert done.stderr == "reports/mini/report.md\n"


@pytest.mark.long
def test_a_run_in_the_c_locale_reads_data_from_a_folder_of_any_name(tmp_path):
    folder = tmp_path / "данные ü"
    text = small_suite("mini", entry("ANN", "relu", 1), entry(LABEL, "lif", 2), train={"epochs": 1})
    atomic_write(folder / SUITE, text)
    words = ("run", SUITE, "--only", LABEL, "--data", folder / "данные")
    done = spikebench(*words, cwd=folder, HOME=str(ROOT / "LICENSE"), **C_LOCALE)
    assert done.returncode == 0, done.stderr
    [run] = load_suite(folder / SUITE).select(LABEL)
    assert Store(folder / "runs").state(run) is State.DONE


NETS = "from torch import nn\n\ndef build():\n    return nn.Sequential(nn.Linear(4, 3))\n"
OF_TRAINED = {
    "count": (SUITE, "--only", LABEL),
    "diagnose": (SUITE, "--only", LABEL),
    "export-nir": (SUITE, "--only", LABEL, "--seed", 0),
    "count-model": ("сети:build", "--input", "2,4", "--layout", "N", "--trust"),
    "check-neuron": ("lif",),
    "restamp": (SUITE, "--before", "runs", "--after", "runs"),
    "tune": (SUITE,),
    "plan": (SUITE, "--all", "--workers", 4),
}


@pytest.mark.long
def test_verbs_that_need_what_was_trained_in_the_c_locale(tmp_path):
    folder = tmp_path / "данные ü"
    neuron = entry(LABEL, "lif", 2) | {"neuron": {"name": "lif", "reset": "hard"}}
    atomic_write(folder / SUITE, small_suite("mini", entry("ANN", "relu", 1), neuron, train={"epochs": 1}))
    atomic_write(folder / "сети.py", NETS)
    place = {"cwd": folder, "HOME": str(ROOT / "LICENSE"), **C_LOCALE}
    assert spikebench("run", SUITE, **place).returncode == 0
    for verb, more in OF_TRAINED.items():
        done = spikebench(verb, *more, **place)
        # a pooling that NIR lacks; records that today's code has made; a suite that says nothing of tuning
        refused = verb in ("export-nir", "restamp", "tune")
        assert (done.returncode, "Traceback" in done.stderr) == (2 if refused else 0, False), (verb, done.stderr)
        assert done.stdout or done.stderr


@pytest.mark.slow
def test_speed_in_the_c_locale(place):
    words = ("speed", SUITE, "--only", LABEL, "--repeats", 1, "--data", place / "данные")
    done = spikebench(*words, cwd=place, HOME=str(ROOT / "LICENSE"), **C_LOCALE)
    assert done.returncode == 0 and "| LIF theta +/- ? " in done.stdout, done.stderr


def test_on_80_columns_nothing_of_a_status_is_cut(tmp_path):
    atomic_write(tmp_path / "long.toml", small_suite("long", entry("ANN" + " wide" * 11, "relu", 1)))
    [run] = load_suite(tmp_path / "long.toml").runs
    write_failure(Store().folder(run), "because " * 20 + "of it", "Traceback ...")
    text = in_process("status", tmp_path / "long.toml").stdout
    assert f"0     {run.key}  failed" in text and "…" not in text
    assert text.count("wide") == 11 and text.count("because") == 20
    assert max(map(len, text.splitlines()[1:])) <= 80
