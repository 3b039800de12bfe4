"""`spikebench count-model` where somebody's own code is not as it should be: one message, and no traceback."""

import json
import sys

import pytest
from support.command import in_process

from bench.measure.counting import told

NETS = """
import argparse
import collections

import torch
from torch import nn


def build():
    torch.manual_seed(0)
    return nn.Linear(4, 3)


def wide(width):
    return nn.Linear(4, width)


class Wide(nn.Linear):
    def __init__(self, width, *, depth):
        super().__init__(4, width)


def lost():
    return {}["width"]


class Failing(nn.Module):
    def __init__(self, fail):
        super().__init__()
        self.fc, self.fail = nn.Linear(4, 3), fail

    def forward(self, x):
        return self.fail(self.fc(x))


def no_key():
    return Failing(lambda y: {}["logits"])


def no_attribute():
    return Failing(lambda y: y.logits)


def not_so():
    def check(y):
        assert y.shape[1] == 5
    return Failing(check)


def tokens():
    return nn.Sequential(nn.Embedding(9, 4), nn.Linear(4, 3))


class Weighed(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc, self.weight = nn.Linear(4, 3), nn.Parameter(torch.rand(9, 4))

    def forward(self, x):
        return self.fc(nn.functional.embedding(x, self.weight).sum(1))


def shuffled():
    return iter([torch.randint(0, 2, (2, 4)).float(), torch.ones(1, 4)])


generator = (x for x in [torch.ones(2, 4), torch.ones(1, 4)])
one = torch.ones(5, 4)
named = {"input": torch.ones(5, 4)}
also_named = collections.UserDict(named)
number, word = 3, "batches"
samples = torch.utils.data.TensorDataset(torch.ones(5, 4))
loader = torch.utils.data.DataLoader(torch.ones(5, 4), batch_size=2)


def made_named():
    return named


def breaks():
    yield torch.ones(2, 4)
    raise KeyError("file")
"""

MODULES = {
    "ownnets": NETS,
    "ownsyntax": "import torch\n\ndef build(:\n    pass\n",
    "ownraises": "import torch\n\nSIZE = {}['size']\n",
    "ownlacks": "import nosuchthing\n",
    "ownprogram": "import sys\n\nsys.exit('usage: train')\n",
}


@pytest.fixture(autouse=True)
def modules(tmp_path, monkeypatch):
    for name, text in MODULES.items():
        (tmp_path / f"{name}.py").write_text(text)
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


def count(*words):
    return in_process("count-model", *words, "--layout", "N", "--trust")


DRAWN = ("--input", "5,4")


@pytest.mark.parametrize(
    ("model", "said"),
    [
        ("ownnets:wide", ("missing a required argument: 'width', and it is called without any", "of no arguments")),
        ("ownnets:Wide", ("missing a required argument: 'width', and it is called without any",)),
        (
            "ownnets:lost",
            (
                "failed when it was called: KeyError: 'width' (",
                "ownnets.py, line 24)",
                "-c 'import ownnets; ownnets.lost()'",
            ),
        ),
        ("ownsyntax:build", ("cannot be imported: SyntaxError", "(ownsyntax.py, line 3)", "-c 'import ownsyntax'")),
        ("ownraises:build", ("cannot be imported: KeyError: 'size' (", "ownraises.py, line 3)")),
        ("ownlacks:build", ("cannot be imported: No module named 'nosuchthing' (", "ownlacks.py, line 1)")),
        (
            "ownprogram:build",
            ("ends Python when it is imported (", "ownprogram.py, line 3)", "if __name__ == '__main__'"),
        ),
    ],
)
def test_what_cannot_be_had_is_told_where_and_what_to_do(model, said):
    for words in ((model, *DRAWN), ("ownnets:build", "--batches", model)):
        done = count(*words)
        assert done.returncode == 2 and not done.stdout
        assert done.stderr.startswith(f"{model}: ") or f" {model}: " in done.stderr
        assert all(word in done.stderr for word in said) and "Traceback" not in done.stderr, done.stderr


@pytest.mark.parametrize(
    ("model", "said"),
    [
        ("no_key", "KeyError: 'logits'"),
        ("no_attribute", "AttributeError: 'Tensor' object"),
        ("not_so", "AssertionError"),
    ],
)
def test_a_forward_pass_that_fails_in_its_own_way_is_told_where(model, said):
    done = count(f"ownnets:{model}", *DRAWN)
    assert done.returncode == 1 and not done.stdout
    assert f"ownnets:{model}: its forward pass failed: {said}" in done.stderr, done.stderr
    assert "ownnets.py, line " in done.stderr and "Traceback" not in done.stderr


def test_a_mistake_of_the_counter_is_not_said_to_be_somebody_elses(monkeypatch):
    monkeypatch.setattr(told, "LAYOUTS", None)
    with pytest.raises(AttributeError, match="items"):
        in_process("count-model", "ownnets:build", "--input", "5,4,4", "--trust")


@pytest.mark.parametrize("model", ["tokens", "Weighed"])
@pytest.mark.parametrize("layout", [("--layout", "N"), ()])
def test_a_network_of_tokens_is_told_that_it_needs_batches(model, layout):
    done = in_process("count-model", f"ownnets:{model}", *DRAWN, "--trust", *layout)
    assert done.returncode == 1 and not done.stdout
    assert f"ownnets:{model}: takes numbers of tokens, and --input draws none; give batches" in done.stderr


@pytest.mark.parametrize(
    ("batches", "samples"),
    [
        ("shuffled", 3),
        ("generator", 3),
        ("loader", 5),
        *((name, 5) for name in ("one", "named", "also_named", "made_named")),
    ],
)
@pytest.mark.parametrize("against", [(), ("--against", "ownnets:build")])
def test_both_models_are_counted_on_the_same_batches(batches, samples, against):
    done = count("ownnets:build", "--batches", f"ownnets:{batches}", *against, "--json", "counts.json")
    assert done.returncode == 0, done.stderr
    assert done.stdout.count(f"counted on {samples} samples") == 1 + bool(against)
    if against:
        last = [row.split("|") for row in done.stdout.splitlines() if row.startswith("| effective synops")][-1]
        assert last[2].strip() == last[3].strip()
    with open("counts.json", encoding="utf-8") as file:
        [found] = json.load(file).values()
    assert found["samples"] == samples


@pytest.mark.parametrize(
    ("batches", "code", "said"),
    [
        (
            "number",
            2,
            "--batches ownnets:number: should be a list, a loader or a generator of batches, or make one, not int",
        ),
        ("word", 2, "not str"),
        ("samples", 2, "is a Dataset, of samples; name a DataLoader of it"),
        ("breaks", 1, "--batches ownnets:breaks: failed: KeyError: 'file' ("),
    ],
)
@pytest.mark.parametrize("against", [(), ("--against", "ownnets:build")])
def test_what_is_no_batches_is_told(batches, code, said, against):
    done = count("ownnets:build", "--batches", f"ownnets:{batches}", *against)
    assert done.returncode == code and said in done.stderr and not done.stdout, done.stderr


@pytest.mark.parametrize("second", ["ownnets:no_key", "ownnets:wide", "ownnets:nothing"])
def test_what_was_counted_is_printed_where_the_second_model_fails(second):
    done = count("ownnets:build", *DRAWN, "--against", second)
    assert done.returncode in (1, 2) and second in done.stderr
    assert "ownnets:build: counted on 5 samples" in done.stdout and "ratio to the first" not in done.stdout
    assert "warning: the input is drawn" in done.stderr
