"""Text is read and written in an encoding that the code names: a file is the same in every locale."""

import ast

import pytest
from support import ROOT
from support.source import FILES, tree_of

POSITION = {"read_text": 0, "write_text": 1}  # of `encoding`
PROCESSES = ("run", "Popen", "check_output", "check_call", "call")


def given(call, name):
    return next((word.value for word in call.keywords if word.arg == name), None)


def opens_text(call, name):
    """Whether `open` gives text: its mode has no "b"; that of a path's method is its first argument."""
    known = ("io", "os", "builtins")
    is_method = isinstance(call.func, ast.Attribute) and getattr(call.func.value, "id", None) not in known
    mode = given(call, "mode") or next(iter(call.args[0 if is_method else 1 :]), None)
    return name in ("open", "fdopen") and not (isinstance(mode, ast.Constant) and "b" in mode.value)


def leaves_it_to_the_locale(call):
    name = ast.unparse(call.func).rpartition(".")[2]
    if given(call, "encoding") is not None:
        return False
    if name in PROCESSES:
        return any(given(call, word) is not None for word in ("text", "universal_newlines", "errors"))
    return (name in POSITION and len(call.args) <= POSITION[name]) or (
        ast.unparse(call.func) not in ("os.open", "Image.open") and opens_text(call, name)
    )


def calls(source):
    return [node for node in ast.walk(source) if isinstance(node, ast.Call)]


@pytest.mark.parametrize("path", [*FILES, *(ROOT / "benchmarks").glob("*.py")], ids=str)
def test_the_locale_decides_about_no_file(path):
    assert [ast.unparse(call) for call in calls(tree_of(path)) if leaves_it_to_the_locale(call)] == []


@pytest.mark.parametrize(
    ("code", "leaves"),
    [
        ("path.read_text()", True),
        ("path.read_text('utf-8')", False),
        ("path.write_text(text)", True),
        ("path.write_text(text, encoding='utf-8')", False),
        ("path.open()", True),
        ("path.open('ab')", False),
        ("path.open('a')", True),
        ("open(path)", True),
        ("open(path, 'rb')", False),
        ("os.fdopen(descriptor, 'w')", True),
        ("os.open(path, flags)", False),
        ("subprocess.run(command, text=True)", True),
        ("subprocess.run(command, encoding='utf-8')", False),
    ],
)
def test_the_rule_knows_what_leaves_it_to_the_locale(code, leaves):
    [call] = calls(ast.parse(code))
    assert leaves_it_to_the_locale(call) is leaves
