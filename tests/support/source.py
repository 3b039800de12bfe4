"""This package's source as the tests of its architecture read it: parsed, so that no test run can miss a line."""

import ast
import functools

from support import ROOT

BENCH = ROOT / "bench"
FILES = sorted(BENCH.rglob("*.py"))
TESTS = sorted((ROOT / "tests").rglob("*.py"))


@functools.cache
def tree_of(path):
    return ast.parse(path.read_text("utf-8"))


def parts_of(path):
    return list(path.relative_to(BENCH).with_suffix("").parts)


def imported(path, top_level_only):
    """The dotted names that a file imports; of `from package import name` both the package and package.name."""
    tree = ast.parse(path.read_text("utf-8"))
    found = set()
    for node in tree.body if top_level_only else ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path}: a relative import"
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def rooms(path):
    """What a file imports of this package, as parts: `bench.report.page.render` -> [report, page]."""
    found = []
    for name in imported(path, False):
        head, *parts = name.split(".")
        if head != "bench":
            continue
        while parts and not (BENCH.joinpath(*parts).is_dir() or BENCH.joinpath(*parts).with_suffix(".py").is_file()):
            parts.pop()
        found.append(parts or ["__init__"])
    return found
