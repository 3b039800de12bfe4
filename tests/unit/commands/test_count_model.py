"""`spikebench count-model`: somebody's own model, in a folder of their own."""

import json

import pytest
from support.command import in_process

NETS = """
import torch
from torch import nn
from bench.neurons import LIF


def ann():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(2704, 10))


class SNN(nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.conv, self.lif, self.fc = nn.Conv2d(1, 4, 3), LIF(), nn.Linear(2704, 10)

    def forward(self, x):
        y = self.lif(self.conv(x.flatten(0, 1)).unflatten(0, x.shape[:2]))
        return self.fc(y.flatten(2))


class Odd(nn.Module):
    def forward(self, x):
        return torch.special.i0(x)


def batches():
    return [torch.ones(2, 1, 28, 28), torch.ones(1, 1, 28, 28)]


def broken():
    return nn.Linear(3, 4)


built = ann()
number = 3
"""


@pytest.fixture(autouse=True)
def nets(tmp_path, monkeypatch):
    (tmp_path / "somebodysnets.py").write_text(NETS)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


def count(*words):
    return in_process("count-model", *words)


def rows(text):
    """The cells of every table, without what pads them."""
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line[:1] == "|"]


def test_an_image_network_has_its_layers_kinds_reasons_and_energy(nets):
    done = count("somebodysnets:ann", "--input", "8,1,28,28", "--trust", "--json", "counts.json")
    assert done.returncode == 0, done.stderr
    assert "counted on 8 samples; figures are per sample" in done.stdout
    found = rows(done.stdout)
    assert ["3", "linear", "analog", "made by 0"] in [row[:4] for row in found]
    assert ["total", "241,205.8"] in found and "Left out" not in done.stdout
    assert "warning: the input is drawn" in done.stderr
    counts = json.loads((nets / "counts.json").read_text())["somebodysnets:ann"]
    assert (counts["samples"], counts["timesteps"], len(counts["layers"])) == (8, 1, 2)
    built = count("somebodysnets:built", "--input", "8,1,28,28", "--trust").stdout
    renamed = rows(built.replace("somebodysnets:built", "somebodysnets:ann"))
    assert [row for row in renamed if row[0][:2] != ":-"] == [row for row in found if row[0][:2] != ":-"]
    assert ["somebodysnets:ann", "conventional", "100 % (100 %)"] in found


def test_two_models_stand_side_by_side():
    words = ("--input", "2,3,1,28,28", "--layout", "TN", "--trust")
    done = count("somebodysnets:SNN", "--against", "somebodysnets:SNN", *words)
    assert done.returncode == 0, done.stderr
    found = rows(done.stdout)
    assert found[-1] == ["energy, ratio to the first", "1.000", "1.000"]
    assert ["lif", "lif", "2,704", "2"] in [row[:4] for row in found]


def test_what_others_count_stands_beside_ours():
    words = ("--input", "2,3,1,28,28", "--layout", "TN", "--kind", "binary", "--trust")
    done = count("somebodysnets:SNN", *words, "--convention", "neurobench", "--convention", "syops")
    assert done.returncode == 0, done.stderr
    found = rows(done.stdout)
    header = ["layer", "dense MACs", "effective synops", "charged as", "operations charged", "pJ"]
    neurobench, syops = (index for index, row in enumerate(found) if row == header)
    theirs = {row[0]: row for row in found[neurobench + 2 : neurobench + 4]}
    # NeuroBench counts pairs of a non-zero input and a non-zero weight, which are our effective synops here.
    for name in ("conv", "fc"):
        synops = float(theirs[name][2].replace(",", ""))
        assert theirs[name][2:5] == [f"{synops:,.1f}", "AC", f"{synops:,.1f}"]
        assert theirs[name][5] == f"{0.9 * synops:,.1f}"
    # syops multiplies the mean of the input by dense operations, padding and bias with them: 2 x 4 x 26 x 26 x 9 MACs.
    conv = next(row for row in found[syops + 2 :] if row[0] == "conv")
    density = next(float(row[4]) for row in found if row[:2] == ["conv", "conv2d"])
    assert conv[1] == "48,672" and float(conv[4].replace(",", "")) == pytest.approx(48_672 * density, rel=5e-3)
    assert "Missing from it:" in done.stdout and "biases and batch norms" in done.stdout


def test_batches_of_ones_own_are_counted():
    done = count("somebodysnets:ann", "--batches", "somebodysnets:batches", "--trust", "--kind", "binary")
    assert done.returncode == 0 and "counted on 3 samples" in done.stdout and not done.stderr
    assert ["0", "conv2d", "binary", "said to be"] in [row[:4] for row in rows(done.stdout)]


def test_what_has_no_price_leaves_a_lower_bound_that_says_so():
    done = count("somebodysnets:Odd", "--input", "2,4", "--layout", "N", "--trust")
    assert done.returncode == 0 and "Left out of the figures:" in done.stdout and "forward: aten.i0" in done.stdout
    assert "at least 0.0" in done.stdout


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("nobodytrusts:ann", "--input", "8,1,28,28"), "pass --trust or set SPIKEBENCH_TRUST=nobodytrusts"),
        (("somebodysnets", "--input", "8", "--trust"), "name it as module:attribute"),
        (("somebodysnets:none", "--input", "8", "--trust"), "has no attribute 'none'"),
        (("nosuchmodule:x", "--input", "8", "--trust"), "No module named 'nosuchmodule'"),
        (("somebodysnets:number", "--input", "8", "--trust"), "is no torch.nn.Module, and makes none, but int"),
        (("somebodysnets:ann", "--trust"), "--input, --batches: give one of them"),
        (("somebodysnets:ann", "--input", "8,x", "--trust"), "--input 8,x: is no shape"),
        (("somebodysnets:ann", "--input", "8,1,28,28", "--layout", "TX", "--trust"), "should be one of TN, NT, N"),
        (("somebodysnets:ann", "--input", "8,1,28,28", "--layout", "TN", "--trust"), "layout 'TN': 0 takes the input"),
        (("somebodysnets:ann", "--input", "8,1,28,28", "--kind", "x", "--trust"), "--kind x: should be one of analog"),
        (("somebodysnets:broken", "--input", "6,3,3", "--trust"), "which of its axes are timesteps and samples?"),
        (("somebodysnets:ann", "--input", "8,1,28,28", "--energy", "horowit", "--trust"), "unknown table 'horowit'"),
        (
            ("somebodysnets:ann", "--input", "8,1,28,28", "--convention", "syop", "--trust"),
            "unknown convention 'syop'; did you mean 'syops'",
        ),
        (
            ("somebodysnets:ann", "--input", "8,1,28,28", "--json", "/dev/null", "--trust"),
            "--json /dev/null: is a folder or a device",
        ),
        (("none.nir", "--input", "8,3"), "none.nir"),
    ],
)
def test_wrong_words_are_one_message(words, said):
    done = count(*words)
    assert done.returncode == 2 and said in done.stderr and not done.stdout, done.stderr


def test_a_forward_pass_that_fails_is_told_in_the_words_of_torch():
    done = count("somebodysnets:broken", "--input", "6,7", "--trust")
    assert done.returncode == 1 and "its forward pass failed: RuntimeError: " in done.stderr
