"""An option that is given twice: both count, or the command says that it takes one value."""

import pytest
import typer.main
from support import ROOT
from support.command import in_process

from bench.commands.app import app

VERBS = typer.main.get_command(app).commands
SEVERAL = {
    *(("run", "only"), ("run", "seed"), ("report", "table"), ("report", "convention"), ("count-model", "convention")),
    *(("plan", "only"), ("plan", "seed"), ("plan", "workers")),
}


def verbs(group=VERBS, before=()):
    for name, command in group.items():
        if hasattr(command, "commands"):
            yield from verbs(command.commands, (*before, name))
        else:
            yield (*before, name), command


VALUED = [
    (words, command, option)
    for words, command in verbs()
    for option in command.params
    if option.param_type_name == "option" and not option.is_flag and option.name != "help"
]


def value(parameter):
    """A word that the parameter takes."""
    return {"path": "auto", "most_seeds": "3"}.get(parameter.name, "1")


def test_which_options_may_be_repeated():
    assert {(words[-1], option.name) for words, _, option in VALUED if option.multiple} == SEVERAL


@pytest.mark.parametrize(
    ("words", "command", "option"),
    [case for case in VALUED if not case[2].multiple],
    ids=lambda part: "-".join(part) if isinstance(part, tuple) else getattr(part, "name", None),
)
def test_an_option_that_takes_one_value_refuses_two(words, command, option):
    required = [each for each in command.params if each.required and each is not option]
    line = [
        word
        for each in required
        for word in ([each.opts[0]] if each.param_type_name == "option" else []) + [value(each)]
    ]
    name = max(option.opts, key=len)
    done = in_process(*words, *line, name, value(option), f"{name}={value(option)}")
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr.startswith(f"spikebench: {name}") and done.stderr.endswith("give it once\n")


def test_a_parameter_of_a_neuron_that_is_given_twice_is_refused():
    done = in_process("check-neuron", "lif", "--tau", "2.0", "--tau=3.0")
    assert (done.returncode, done.stderr) == (2, "spikebench: --tau: given 2 times, takes one value; give it once\n")
    done = in_process("check-neuron", "lif", "--v-reset", "-0.1", "--v_reset=0.2")
    assert (done.returncode, done.stderr.partition(":")[2]) == (
        2,
        " --v_reset: given 2 times, takes one value; give it once\n",
    )


def test_run_takes_each_label_and_each_seed_that_is_named(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    repeated = ["--only", "CLIF", "--only", "ANN", "--only", "ANN", "--seed", "2", "--seed=0"]
    done = in_process("run", ROOT / "suites/digits.toml", "--dry-run", *repeated)
    lines = done.stdout.splitlines()
    assert lines[0].startswith("4 runs: ")
    assert [line.split()[:3] for line in lines[1:]] == [
        ["digits/ANN", "seed", "0"],
        ["digits/ANN", "seed", "2"],
        ["digits/CLIF", "seed", "0"],
        ["digits/CLIF", "seed", "2"],
    ]


def test_a_wrong_label_beside_a_right_one_is_explained():
    done = in_process("run", "suites/digits.toml", "--only", "CLIF", "--only", "ANNN")
    assert done.returncode == 2 and "no entry 'ANNN'; did you mean 'ANN'?" in done.stderr
