"""The size of things: short files and functions, few parameters; tests that share helpers and use public names."""

import ast
import statistics

import pytest
from support import ROOT
from support.source import BENCH, FILES, TESTS, tree_of

LONGEST_FILE, MEDIAN_FILE = 300, 100  # lines
LONGEST_FUNCTION, MOST_PARAMETERS = 60, 7
# Options of a verb, parameters of a neuron and the library's way to a network are as many as there are to be said.
WORDS_OF_USERS = ("commands/", "neurons/", "models/build.py")

PATCHES = ("setattr", "delattr", "patch", "object", "multiple")


def functions(path):
    return [node for node in ast.walk(tree_of(path)) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]


def lines_of(function):
    return function.end_lineno - function.lineno + 1


def parameters_of(function):
    given = function.args
    names = [parameter.arg for parameter in (*given.posonlyargs, *given.args, *given.kwonlyargs)]
    return [name for name in names if name not in ("self", "cls")]


def is_private(name):
    return name.startswith("_") and not name.startswith("__") and name != "_"


def private_names_of_the_package():
    """Names with an underscore that this package gives to functions, classes, constants and attributes."""
    found = set()
    for node in (node for path in FILES for node in ast.walk(tree_of(path))):
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            found.add(node.name)
        elif isinstance(node, ast.Name | ast.Attribute) and isinstance(node.ctx, ast.Store):
            found.add(node.id if isinstance(node, ast.Name) else node.attr)
    return set(filter(is_private, found))


def private_names_used(path, own):
    """The private names of this package that a file imports, patches or reaches for outside itself."""
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.ImportFrom) and node.module.partition(".")[0] == "bench":
            yield from (alias.name for alias in node.names if is_private(alias.name))
        elif isinstance(node, ast.Attribute) and not of_oneself(node.value):
            yield from own & {node.attr}
        elif isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] in PATCHES:
            yield from own & {name.rpartition(".")[2] for name in words_in(node)}


def words_in(call):
    """The texts and keywords that a call is given, as in `setattr(module, "_name", x)` or `multiple(m, _name=x)`."""
    for node in ast.walk(call):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value
        elif isinstance(node, ast.keyword) and node.arg:
            yield node.arg


def of_oneself(node):
    if isinstance(node, ast.Call):
        return isinstance(node.func, ast.Name) and node.func.id == "super"
    return isinstance(node, ast.Name) and node.id in ("self", "cls")


def breaking(files, broken):
    """(rule-breaking file, name) of some files, as `broken(path)` yields the names."""
    return {(path.relative_to(ROOT).as_posix(), name) for path in files for name in broken(path)}


def too_long(path):
    return [function.name for function in functions(path) if lines_of(function) > LONGEST_FUNCTION]


def too_wide(path):
    if path.relative_to(BENCH).as_posix().startswith(WORDS_OF_USERS):
        return []
    return [function.name for function in functions(path) if len(parameters_of(function)) > MOST_PARAMETERS]


def private(path):
    return private_names_used(path, PRIVATE)


PRIVATE = private_names_of_the_package()
RULES = {
    "functions have at most 60 lines": (FILES, too_long),
    "functions have at most 7 parameters": (FILES, too_wide),
    "tests use public names": ([path for path in TESTS if path.parent.name != "architecture"], private),
}


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(BENCH)))
def test_files_stay_short_and_say_what_they_are(path):
    assert ast.get_docstring(tree_of(path))
    assert len(path.read_text("utf-8").splitlines()) <= LONGEST_FILE


def test_most_files_are_a_page():
    assert statistics.median(len(path.read_text("utf-8").splitlines()) for path in FILES) <= MEDIAN_FILE


@pytest.mark.parametrize("rule", RULES)
def test_rules(rule):
    files, broken = RULES[rule]
    assert not breaking(files, broken)


def test_helpers_come_from_support_and_not_from_test_modules():
    modules = {path.stem for path in TESTS if path.stem.startswith("test_")}
    for path in TESTS:
        for node in ast.walk(tree_of(path)):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module, *(alias.name for alias in node.names)] if isinstance(node, ast.ImportFrom) else []
            imported = {part for name in names for part in name.split(".")} & modules
            assert not imported, f"{path.relative_to(ROOT)} imports from {imported}"


def test_no_fixture_is_written_twice_in_the_same_words():
    seen = {}
    for path in TESTS:
        for function in functions(path):
            if any("fixture" in ast.unparse(decorator) for decorator in function.decorator_list):
                body = [line for line in function.body if not isinstance(getattr(line, "value", None), ast.Constant)]
                words = (ast.unparse(function.args), *map(ast.unparse, body))
                assert seen.setdefault(words, path) == path, f"{path}: {function.name}, as in {seen[words]}"
