"""The sources that can move a run's numbers, and a digest of what they do: words, comments and places do not enter.

Hashed is the syntax tree of every file that is reached by imports, without docstrings, without what stands under
`if TYPE_CHECKING:` and without what an error says. An import of this package stands for the digest of the file it leads
to, so a file may move, and a change anywhere below it shows.
"""

from __future__ import annotations

import ast
import functools
import hashlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

PACKAGE = Path(__file__).parents[1]
SILENT = frozenset({PACKAGE / "errors.py"})  # what is said when something fails


@functools.cache
def closure(start: Path) -> frozenset[Path]:
    """Return the files that run when `start` is imported, itself among them: of this package, or of its own one."""
    seen, queue = {start}, [start]
    while queue:
        path = queue.pop()
        for found in _imported_files(_tree(path), path):
            if found not in seen:
                seen.add(found)
                queue.append(found)
    return frozenset(seen)


def sources_digest(starts: Iterable[Path]) -> str:
    """Return 12 hex digits over what some files, and all that they import of their packages, do.

    Raises RecursionError where files of this package import each other in a circle.
    """
    return _hash(sorted({_file_digest(path) for path in starts}))[:12]


@functools.cache
def _file_digest(path: Path) -> str:
    if path.is_relative_to(PACKAGE):
        return _hash([_essence(_tree(path), path)])
    # A package of somebody else may import in circles: its files are taken together, their imports as written.
    own = sorted(file for file in closure(path) if not file.is_relative_to(PACKAGE))
    return _hash(sorted(_hash([_essence(_tree(file), file)]) for file in own))


def _hash(parts: Iterable[str]) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


@functools.cache
def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text("utf-8"))


def _essence(node: Any, path: Path) -> str:
    """Write a tree in one form only, whatever Python's version: fields in order, empty ones left out."""
    if isinstance(node, list):
        return f"[{','.join(_essence(item, path) for item in node if not _never_runs(item))}]"
    if isinstance(node, ast.Import | ast.ImportFrom):
        return f"import({','.join(_import_essence(node, path))})"
    if isinstance(node, ast.Raise):  # which error is one thing, what it says another
        node = ast.Raise(exc=node.exc.func if isinstance(node.exc, ast.Call) else node.exc, cause=None)
    if not isinstance(node, ast.AST):
        return repr(node)
    fields = []
    for name, value in ast.iter_fields(node):
        if name == "body" and isinstance(value, list) and _has_docstring(node):
            value = value[1:]
        if isinstance(node, ast.JoinedStr):  # Python 3.12 ends some with an empty one
            value = [part for part in value if getattr(part, "value", None) != ""]
        if value not in (None, []) and name not in ("kind", "type_comment", "ctx"):
            fields.append(f"{name}={_essence(value, path)}")
    return f"{type(node).__name__}({','.join(fields)})"


def _has_docstring(node: ast.AST) -> bool:
    owner = isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
    return owner and ast.get_docstring(node, clean=False) is not None  # type: ignore[arg-type]


def _never_runs(node: Any) -> bool:
    return isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"


def _import_essence(node: ast.Import | ast.ImportFrom, path: Path) -> Iterator[str]:
    """Yield each imported name with the digest of the file of this package that it leads to, or as it is written."""
    for bound, module, name in _names(node):
        found = _file_of(module, name, path)
        if found is None or not found.is_relative_to(PACKAGE):
            yield f"{bound}: {module}.{name}"
        else:
            whole = found == _file_of(f"{module}.{name}", "", path)  # a module is imported, not what stands in it
            yield f"{bound}: {'' if found in SILENT else _file_digest(found)} {'' if whole else name}"


def _names(node: ast.Import | ast.ImportFrom) -> Iterator[tuple[str, str, str]]:
    """Yield (name it is bound to, module, name in the module) of an import; a relative one begins with its dots."""
    for alias in node.names:
        if isinstance(node, ast.Import):
            yield alias.asname or alias.name.partition(".")[0], alias.name, ""
        else:
            yield alias.asname or alias.name, "." * node.level + (node.module or ""), alias.name


def _imported_files(tree: ast.Module, path: Path) -> Iterator[Path]:
    for node in _executed(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            for _, module, name in _names(node):
                found = _file_of(module, name, path)
                if found is not None:
                    yield found


def _executed(node: ast.AST) -> Iterator[ast.AST]:
    yield node
    for child in ast.iter_child_nodes(node):
        if not _never_runs(child):
            yield from _executed(child)


def _file_of(module: str, name: str, path: Path) -> Path | None:
    """Return the file of `module.name`, or that of the module: of this package, or of what `path` belongs to."""
    place = _place_of(module, path)
    if place is None:
        return None
    inside = [place / name] if name else []
    for candidate in (*inside, place):
        for file in (candidate.with_suffix(".py"), candidate / "__init__.py"):
            if file.is_file() and file != PACKAGE / "__init__.py":  # that one hands on, and nothing of ours uses it
                return file
    return None


def _place_of(module: str, path: Path) -> Path | None:
    dots = len(module) - len(module.lstrip("."))
    if dots:
        folder = path.parents[dots - 1]
        return folder.joinpath(*filter(None, module[dots:].split(".")))
    head, *rest = module.split(".")
    if head == PACKAGE.name:
        return PACKAGE.joinpath(*rest)
    root = _root_of(path)
    ours = not path.is_relative_to(PACKAGE) and head == path.relative_to(root).parts[0]
    return root.joinpath(head, *rest) if ours else None


def _root_of(path: Path) -> Path:
    """Return the folder from which the package, or the loose module, at `path` is imported."""
    folder = path.parent
    while (folder / "__init__.py").is_file():
        folder = folder.parent
    return folder
