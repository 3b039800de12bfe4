"""What a suite file cannot do: take for ever, fill the memory, leave its folder, run code, or break a page."""

import contextlib
import os
import re
import sys
import tracemalloc
from pathlib import Path

import pytest
from support.suites import TEXT, problems

from bench.energy.table import load_table
from bench.errors import SuiteError, TableError
from bench.report.page import render_report
from bench.suite.load import load_suite


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("epochs = 2", "epochs = 1_000_000_000", "train.epochs: should be less than or equal to 1000000"),
        ("epochs = 2", "epochs = 0x" + "f" * 9000, "a number of more than 4,300 digits"),
        ("epochs = 2", f"epochs{'.a' * 101} = 2", "line 11: more than 100 dots; break it, or give the key fewer parts"),
        ("epochs = 2", f"epochs{'.1' * 101} = 2", "line 11: more than 100 dots; break it, or give the key fewer parts"),
        (
            "epochs = 2",
            f"epochs{'.1 .2' * 51} = 2",
            "line 11: more than 100 dots; break it, or give the key fewer parts",
        ),
        ("epochs = 2", f"epochs{'.a' * 40} = 2", "nested too deeply; a suite has at most 32 levels"),
        ("epochs = 2", f"epochs = {'[' * 40}{']' * 40}", "nested too deeply"),
        ("seeds = [0, 1]", f"seeds = {list(range(10_001))}", "seeds: List should have at most 10000 items"),
        ('["horowitz-fp32"]', f"{['horowitz-fp32'] * 101}", "energy: List should have at most 100 items"),
        ('["horowitz-fp32"]', '["nul\\u0000.toml"]', "nul\\x00.toml': a cost table's name has no control characters"),
        ('["horowitz-fp32"]', f'["{"a" * 5000}.toml"]', "cannot be read: File name too long"),
        ('["horowitz-fp32"]', '["../../x"]', "energy[0]: unknown table '../../x'; known: "),
        ('"Tiny"', '"Tiny"\nsmaller = "../suite"', "smaller: should be lower-case letters, digits and hyphens"),
        ('"Tiny"', f'"Tiny"\nsmaller = "{"a" * 5000}"', "smaller: should be lower-case letters, digits and hyphens"),
        ('label = "LIF"', 'label = " \\u200b"', "and begin with a visible one, not"),
        ('label = "LIF"', 'label = "L\\u009b2J"', "should hold no control characters"),
        ('label = "LIF"', 'label = "L\\u2028F"', "should hold no control characters"),
    ],
)
def test_what_would_take_for_ever_or_leave_the_folder_is_refused(write, old, new, expected):
    found = problems(write(change=(old, new)))
    assert any(expected in line for line in found)
    assert all(len(line) < 6000 for line in found)


def test_the_dots_of_numbers_part_no_key(write):
    numbers = ", ".join(["[4e-3, 0.01, 98.5, 1_0.5e-3]"] * 200)
    [problem] = problems(write(change=("epochs = 2", f"epochs = [{numbers}]")))
    assert problem.startswith("train.epochs: should be a valid integer, not [[0.004, 0.01, 98.5, 0.0105], ")


def test_more_runs_than_anybody_counts_are_refused_before_they_are_planned(write):
    entries = "".join(
        f'[[entries]]\nlabel = "{n}"\nneuron = {{ name = "lif", tau = {n + 3} }}\ntimesteps = 4\n' for n in range(99)
    )
    seeds = ("seeds = [0, 1]", f"seeds = {list(range(1000))}")
    assert problems(write(TEXT + entries, a=seeds)) == ["entries: 101 with 1000 seeds are 101,000 runs; at most 10,000"]


def test_of_very_many_problems_the_first_are_told(write):
    found = problems(write(a=("tau = 2.0", ", ".join(f"t{n} = 1" for n in range(3000)))))
    assert len(found) == 101 and found[-1] == "and 2,900 more problems"


def test_a_word_is_compared_with_short_ones_alone(write):
    """To compare two words of 20,000 letters would take minutes."""
    words = ["".join(chr(0x4E00 + step * n % 700) for n in range(20_000)) for step in (1, 7)]
    found = problems(write(a=('baseline = "ANN"', f'baseline = "{words[0]}"'), b=('"LIF"', f'"{words[1]}"')))
    assert any(line.startswith("baseline: no entry '") for line in found)


@pytest.mark.parametrize("size", [100 * 2**20, None])
def test_a_huge_file_is_refused_without_reading_it(tmp_path, size):
    path = Path("/dev/zero") if size is None else tmp_path / "huge.toml"
    if size is not None:
        with path.open("wb") as file:
            file.truncate(size)
    tracemalloc.start()
    try:
        assert problems(path) == ["larger than 200 kB; a suite is a page of TOML"]
        assert tracemalloc.get_traced_memory()[1] < 2_000_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    "name",
    ["os:system", "os:_wrap_close", "trap:Neuron", "trap:Gone", "trap.inner:Neuron", "trap./etc/passwd:X", ":", "a:"],
)
def test_to_load_a_suite_runs_nothing_that_it_names(write, tmp_path, monkeypatch, name):
    (tmp_path / "trap").mkdir()
    for file in ("__init__.py", "inner.py"):
        (tmp_path / "trap" / file).write_text("class Neuron:\n    ran = open('ran', 'w')\nopen('ran', 'w')\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)
    with contextlib.suppress(SuiteError):
        assert load_suite(write(a=('"lif", tau = 2.0', f'"{name}"'))).outside_modules <= {"os", "trap", "trap.inner"}
    assert not (tmp_path / "ran").exists() and not {"trap", "trap.inner"} & set(sys.modules)


@pytest.mark.parametrize("name", ["trap.a\\u0000:X", "trap." + "a" * 300 + ":X", "trap./tmp/x:X", "trap...x:X"])
def test_a_module_that_is_a_path_is_not_looked_for(write, tmp_path, monkeypatch, name):
    (tmp_path / "trap").mkdir()
    monkeypatch.syspath_prepend(tmp_path)
    [found] = problems(write(a=('"lif", tau = 2.0', f'"{name}"')))
    assert "there is no module 'trap." in found and len(found) < 500


@pytest.mark.parametrize("label", ["עברית \u202eabc", "e\u0301" * 20, "👩\u200d👩\u200d👧", "$x^$ *a* _b_ [c](d)"])
def test_labels_of_every_script_keep_the_tables_whole(write, label):
    suite = load_suite(write(a=('label = "LIF"', f'label = "{label}"')))
    page = render_report(suite, [])
    assert all(
        len({line.count("|") for line in block.splitlines()}) == 1 for block in re.findall(r"(?:^\|.*\n)+", page, re.M)
    )
    assert "\u202e" not in page and "[c](d)" not in page


def test_a_pipe_is_refused_and_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe.toml")
    with pytest.raises(SuiteError, match=r"pipe\.toml: is a pipe"):
        load_suite(tmp_path / "pipe.toml")
    with pytest.raises(TableError, match=r"pipe\.toml: is a pipe"):
        load_table(tmp_path / "pipe.toml")
