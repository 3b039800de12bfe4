"""`spikebench speed` and `run --profile` as a user types them."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest
from support import ROOT
from support.command import spikebench


@pytest.mark.long
def test_speed_measures_entry_and_baseline_and_keeps_no_run(tmp_path):
    suite = ROOT / "suites" / "digits.toml"
    done = spikebench("speed", suite, "--only", "CLIF", "--repeats", 2, "--json", "turns.json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "| ANN " in done.stdout and "| CLIF " in done.stdout and "| LIF " not in done.stdout
    ann, clif = json.loads((tmp_path / "turns.json").read_text())["entries"]
    assert ann["times_baseline"] is None and clif["times_baseline"]["median"] > 0
    assert len(clif["synthetic_step_s"]) == len(clif["real_step_s"]) == 2
    assert clif["roofline_fraction"] > 0 and clif["peak_memory_bytes"] > 1e7
    assert [path.name for path in tmp_path.iterdir()] == ["turns.json"]


@pytest.mark.long
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupted_measurement_is_printed_and_kept(number, code, tmp_path):
    """Asked to end after the first turn: its figures are in the file at that moment, and in the table that ends it."""
    command = [sys.executable, "-m", "bench", "speed", str(ROOT / "suites" / "digits.toml")]
    command += ["--only", "ANN", "--repeats", "500", "--json", "turns.json"]
    process = subprocess.Popen(
        command,
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    deadline = time.monotonic() + 300
    while process.poll() is None and not (tmp_path / "turns.json").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    json.loads((tmp_path / "turns.json").read_text())
    process.send_signal(number)
    said, _ = process.communicate(timeout=60)
    [ann] = json.loads((tmp_path / "turns.json").read_text())["entries"]
    turns = len(ann["synthetic_step_s"])
    assert process.returncode == code and "| ANN " in said and "interrupted" in said
    assert f"ANN (spikebench): {turns} of 500 turns." in said and 1 <= turns < 500
    assert [path.name for path in tmp_path.iterdir()] == ["turns.json"]


@pytest.mark.long
def test_turns_that_cannot_be_written_are_measured_and_printed_and_the_file_is_not_named(tmp_path):
    name = "n" * 250  # with the ending of the file that is written first, it is too long a name
    words = ("speed", ROOT / "suites" / "digits.toml", "--only", "ANN", "--repeats", 2, "--json", name)
    done = spikebench(*words, cwd=tmp_path)
    assert done.returncode == 1 and "| ANN " in done.stdout and "turns." not in done.stdout
    assert done.stderr.splitlines()[-1] == f"spikebench: {name}: cannot be written: File name too long"
    assert name not in done.stderr.splitlines()


def test_wrong_words_are_one_message(tmp_path):
    suite = ROOT / "suites" / "digits.toml"
    for arguments, expected in (
        (("--against", "spikejelly"), "did you mean 'spikingjelly'"),
        (("--only", "CLIFF"), "did you mean 'CLIF'"),
        (("--json", "no/where.json"), "there is no folder no"),
        (("--json", "/dev/null"), "is a folder or a device; name a file"),
        (("--device", "tpu"), "no such device"),
        (("--data", b"d\xff".decode("utf-8", "surrogateescape")), "is not UTF-8; give the folder another name"),
        (("--device", "cpu", "--path", "graphed"), "needs a CUDA device"),
    ):
        done = spikebench("speed", suite, *arguments, cwd=tmp_path)
        assert done.returncode == 2 and expected in done.stderr, (arguments, done.stderr)
        assert done.stdout == ""


def test_a_profile_is_printed_and_kept(tmp_path):
    text = (ROOT / "suites" / "digits.toml").read_text().replace("epochs     = 30", "epochs = 1")
    (tmp_path / "short.toml").write_text(text.replace("seeds    = [0, 1, 2]", "seeds = [0]"))
    done = spikebench("run", "short.toml", "--only", "LIF", "--profile", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    [trace] = tmp_path.glob("runs/digits/*/profile.json")
    assert str(trace.relative_to(tmp_path)) in done.stdout and "convolution_backward" in done.stdout
    again = spikebench("run", "short.toml", "--only", "LIF", "--profile", cwd=tmp_path)
    assert again.returncode == 0 and "nothing to profile" in again.stdout


def test_status_and_report_do_without_torch():
    code = (
        "import sys\nfrom bench.commands.app import app\n"
        "for words in (['status', 'suites/digits.toml'], ['report', '--check', 'suites/digits.toml'], ['--help']):\n"
        "    try:\n        app(words)\n    except SystemExit as end:\n        assert not end.code, words\n"
        "assert 'torch' not in sys.modules\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
