"""The files that can move a run's numbers, and a digest of what they do.

An import of this package stands for the digest of the file it leads to, so a file may move, and a change anywhere below
it shows. The files of a plug-in's own package are taken together, each under its name, as they may import in circles.
What is not seen: modules that are named in a text (`import_module("...")`), and files of data.
"""

from __future__ import annotations

import ast
import functools
import hashlib
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from bench.runs.essence import essence, executed, names_of

PACKAGE = Path(__file__).parents[1]
# What is said when something fails, which code may run, and where a record says that it comes from.
SILENT = frozenset(
    PACKAGE / name
    for name in (
        *("errors.py", "plugins/trust.py", "plugins/installed.py", "plugins/signature.py", "plugins/contract.py"),
        *("runs/essence.py", "runs/sources.py", "runs/provenance.py"),
    )
)


@dataclass(frozen=True)
class Home:
    """From where the files of one package are imported: its parent folder, and its name or that of a loose module."""

    root: Path
    top: str

    @classmethod
    def of(cls, path: Path, module: str) -> Home:
        """Return the home of the file `path`, which is imported as `module`."""
        if path.is_relative_to(PACKAGE):
            return OURS
        parts = module.split(".")
        return cls(path.parents[len(parts) - (path.name != "__init__.py")], parts[0])

    @property
    def loose(self) -> bool:
        """Whether it is one module in a folder of somebody's own, whose neighbours it may import."""
        return (self.root / f"{self.top}.py").is_file() and not any(self.root.glob("*.dist-info"))


OURS = Home(PACKAGE.parent, PACKAGE.name)


def closure(path: Path, module: str = "") -> frozenset[Path]:
    """Return the files of this package and of its own one that run when the file `path` is imported as `module`."""
    return _closure(path, Home.of(path, module))


def sources_digest(files: Iterable[tuple[Path, str]]) -> str:
    """Return 12 hex digits over what some files do, each imported under a name, and all that they import likewise.

    Raises RecursionError where files of this package import each other in a circle.
    """
    return _hash(sorted({_digest(path, Home.of(path, module)) for path, module in files}))[:12]


@functools.cache
def _closure(start: Path, home: Home) -> frozenset[Path]:
    seen, queue = {start}, [start]
    while queue:
        for found in _imported_files(queue.pop(), home):
            if found not in seen:
                seen.add(found)
                queue.append(found)
    return frozenset(seen)


@functools.cache
def _digest(path: Path, home: Home) -> str:
    if path in SILENT:
        return ""
    if home == OURS:
        return _hash([_essence(path, home)])
    own = sorted(file for file in _closure(path, home) if not file.is_relative_to(PACKAGE))
    return _hash(f"{file.relative_to(home.root).as_posix()} {_essence(file, home)}" for file in own)


def _hash(parts: Iterable[str]) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


@functools.cache
def _tree(path: Path) -> ast.Module | None:
    """Return the syntax tree of a file; None for what this Python cannot read, which may never be imported."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the code of others
        try:
            return ast.parse(path.read_bytes())
        except (SyntaxError, ValueError):
            return None


def _essence(path: Path, home: Home) -> str:
    tree = _tree(path)
    if tree is None:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    return essence(tree, lambda node: _import_essence(node, path, home))


def _import_essence(node: ast.Import | ast.ImportFrom, path: Path, home: Home) -> Iterator[str]:
    """Yield each imported name with the digest of the file of this package that it leads to, or as it is written."""
    for bound, module, name in names_of(node):
        found = _file_of(module, name, path, home)
        if found is None or not found.is_relative_to(PACKAGE):
            yield f"{bound}: {module}.{name}"
        else:
            whole = found == _file_of(f"{module}.{name}", "", path, home)  # a module, not what stands in it
            yield f"{bound}: {_digest(found, OURS)} {'' if whole else name}"


def _imported_files(path: Path, home: Home) -> Iterator[Path]:
    home = OURS if path.is_relative_to(PACKAGE) else home
    yield from _parents(path, home)
    for node in executed(_tree(path) or ast.Module([], [])):
        if isinstance(node, ast.Import | ast.ImportFrom):
            for _, module, name in names_of(node):
                found = _file_of(module, name, path, home)
                if found is not None:
                    yield found


def _parents(path: Path, home: Home) -> Iterator[Path]:
    """Yield the packages around a file of somebody else, which run before it; those of this package only hand on."""
    for folder in () if home == OURS else path.parents:
        if folder == home.root:
            return
        if (folder / "__init__.py").is_file():
            yield folder / "__init__.py"


def _file_of(module: str, name: str, path: Path, home: Home) -> Path | None:
    """Return the file of `module.name`, or that of the module, as the file `path` imports it: ours, or of its home."""
    place = _place_of(module, path, home)
    if place is None or place == PACKAGE:
        return None
    for candidate in (*([place / name] if name else []), place):
        for file in (candidate.with_suffix(".py"), candidate / "__init__.py"):
            if file.is_file():
                return _behind(file, name)
    return None


def _behind(file: Path, name: str) -> Path:
    """Return the file that holds the class `name` where a face of this package finds it when it is asked."""
    tree = _tree(file) if file.name == "__init__.py" and file.is_relative_to(PACKAGE) else None
    if not name or tree is None or any(bound == name for bound in _bound(tree)):
        return file
    inside = [path for path in sorted(file.parent.glob("*.py")) if path != file]
    return next((path for path in inside if name in _bound(_tree(path) or tree)), file)


def _bound(tree: ast.Module) -> Iterator[str]:
    """Yield the names that a module defines or imports at its top."""
    for node in tree.body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef):
            yield node.name
        elif isinstance(node, ast.Import | ast.ImportFrom):
            yield from (bound for bound, _, _ in names_of(node))
        elif isinstance(node, ast.Assign):
            yield from (target.id for target in node.targets if isinstance(target, ast.Name))


def _place_of(module: str, path: Path, home: Home) -> Path | None:
    dots = len(module) - len(module.lstrip("."))
    if dots:
        return path.parents[dots - 1].joinpath(*filter(None, module[dots:].split(".")))
    head, *rest = module.split(".")
    if head == PACKAGE.name:
        return PACKAGE.joinpath(*rest)
    if home == OURS:
        return None
    neighbour = home.loose and not rest and (home.root / f"{head}.py").is_file()
    return home.root.joinpath(head, *rest) if head == home.top or neighbour else None
