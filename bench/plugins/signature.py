"""What the source of a plug-in says about it: classes, constructor arguments, defaults; nothing is imported."""

from __future__ import annotations

import ast
import functools
import math
import warnings
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from bench.errors import ParameterError, nearest

PACKAGE = Path(__file__).parents[1]
MOST, MOST_INTEGER = 1e9, 1_000_000  # beyond these a number is a slip, and a tensor of that size an overflow
_REQUIRED = object()
_TYPES: Mapping[str, tuple[type, ...]] = {"float": (float, int), "int": (int,), "bool": (bool,), "str": (str,)}


@dataclass(frozen=True)
class Parameter:
    """One constructor argument: its types by name, the words it may take, its default.

    plugin: the kind of plug-in that its value names, "" for a plain value. `choices` are then the built-in ones.
    """

    name: str
    types: tuple[str, ...]
    choices: tuple[Any, ...]
    default: Any
    plugin: str = ""

    @property
    def required(self) -> bool:
        """Whether a suite must give it."""
        return self.default is _REQUIRED

    @property
    def items(self) -> Parameter | None:
        """What each item has to be where the value is a list (`list[int]`), else None."""
        inner = [name[5:-1] for name in self.types if name.startswith("list[")]
        return replace(self, types=tuple(inner)) if inner else None

    def problem(self, value: Any) -> str | None:
        """Say what is wrong with `value`, or None."""
        if value is None and "None" in self.types:
            return None
        if self.choices:
            if value in self.choices:
                return None
            return no_choice(value, self.choices)
        if isinstance(value, list) and self.items is not None:
            wrong = (self.items.problem(item) for item in value)
            return next((f"holds an item that {message}" for message in wrong if message), None)
        accepted = tuple(kind for name in self.types for kind in _TYPES.get(name, ()))
        if isinstance(value, float) and not math.isfinite(value):
            return f"should be a finite number, not {value}"
        most = MOST_INTEGER if "int" in self.types else MOST
        if isinstance(value, int | float) and abs(value) > most:
            return f"is out of range; at most {most:g}"
        if isinstance(value, accepted) and (not isinstance(value, bool) or "bool" in self.types):
            return None
        return f"should be {' or '.join(self.types)}, not {type(value).__name__}"


def no_choice(value: Any, choices: Iterable[Any]) -> str:
    """Say that a value is none of those that there are, and which is nearest."""
    return f"'{value!s:.60}' is not a choice; {nearest(str(value), [str(choice) for choice in choices])}"


def classes_in(path: Path) -> dict[str, ast.ClassDef]:
    """Return the classes at the top level of a file. Raises ParameterError when it is no Python source."""
    return {node.name: node for node in _parsed(path).body if isinstance(node, ast.ClassDef)}


def _parsed(path: Path) -> ast.Module:
    try:
        status = path.stat()
        return _parsed_once(path, status.st_mtime_ns, status.st_size)
    except (OSError, ValueError, SyntaxError, RecursionError, MemoryError) as error:  # as Python's parser says it
        raise ParameterError(f"{path}: not a Python file that can be read: {error}") from None


@functools.lru_cache(maxsize=256)
def _parsed_once(path: Path, changed_ns: int, size: int) -> ast.Module:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the code of others, which does not run
        return ast.parse(path.read_text("utf-8"), str(path))


def class_attribute(node: ast.ClassDef, attribute: str) -> str | None:
    """Return the string that a class body assigns to `attribute`, or None."""
    for statement in node.body:
        match statement:
            case (
                ast.Assign(targets=[ast.Name(id=found)], value=ast.Constant(value=str(value)))
                | ast.AnnAssign(target=ast.Name(id=found), value=ast.Constant(value=str(value)))
            ) if found == attribute:
                return value
    return None


def class_flags(node: ast.ClassDef, classes: Mapping[str, ast.ClassDef], path: Path) -> dict[str, bool]:
    """Return the attributes to which a class body assigns True or False, its own and inherited ones."""
    found: dict[str, bool] = {}
    for base, inherited, source in _bases(node, classes, path):
        found = class_flags(base, inherited, source) | found
    for statement in node.body:
        match statement:
            case (
                ast.Assign(targets=[ast.Name(id=name)], value=ast.Constant(value=bool(value)))
                | ast.AnnAssign(target=ast.Name(id=name), value=ast.Constant(value=bool(value)))
            ):
                found[name] = value
    return found


def parameters_of(
    node: ast.ClassDef, classes: Mapping[str, ast.ClassDef], path: Path
) -> tuple[tuple[Parameter, ...], tuple[str, ...]]:
    """Return the parameters of a class, and the names of the arguments that the harness gives: of its constructor.

    An argument that says `str` names a plug-in where the one of that name does that its constructor hides. Raises
    ParameterError for a default that is not a literal.
    """
    constructors = list(_constructors(node, classes, path))
    if not constructors:
        return (), ()
    arguments, source = constructors[0]
    parameters = [
        _parameter(argument, default, source)
        for argument, default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)
        if not argument.arg.startswith("_")
    ]
    harness = tuple(argument.arg for argument in arguments.kwonlyargs if argument.arg.startswith("_"))
    return tuple(_as_inherited(parameter, constructors[1:]) for parameter in parameters), harness


def _as_inherited(parameter: Parameter, hidden: Iterable[tuple[ast.arguments, Path]]) -> Parameter:
    for arguments, source in hidden if parameter.types == ("str",) and not parameter.plugin else ():
        for argument in arguments.kwonlyargs:
            if argument.arg == parameter.name and (kind := _plugin_named_by(argument, source)):
                return replace(parameter, plugin=kind)
    return parameter


def _plugin_named_by(argument: ast.arg, path: Path) -> str:
    try:
        return _Annotation.of(argument, path).plugin
    except (ValueError, TypeError, RecursionError):  # it is hidden, so it harms nobody
        return ""


def _constructors(
    node: ast.ClassDef, classes: Mapping[str, ast.ClassDef], path: Path
) -> Iterator[tuple[ast.arguments, Path]]:
    """Yield the arguments of a class's constructor, its own or inherited, and of those it hides; each with its file."""
    for statement in node.body:
        if isinstance(statement, ast.FunctionDef) and statement.name == "__init__":
            yield statement.args, path
    for base in _bases(node, classes, path):
        yield from _constructors(*base)


def _bases(
    node: ast.ClassDef, classes: Mapping[str, ast.ClassDef], path: Path
) -> Iterator[tuple[ast.ClassDef, Mapping[str, ast.ClassDef], Path]]:
    """Yield the classes that a class inherits from, each with those of its file and that file."""
    for base in node.bases:
        own = classes.get(base.id) if isinstance(base, ast.Name) else None
        if own is not None and own.lineno < node.lineno:
            yield own, classes, path
        elif isinstance(base, ast.Name):
            for source in _imported_from(base.id, path):
                inherited = classes_in(source)
                if base.id in inherited:
                    yield inherited[base.id], inherited, source
                    break


def _imported_from(name: str, path: Path) -> Iterator[Path]:
    """Yield the files of this package from which `path` may import `name`: a package hands on what its files hold."""
    for node in _parsed(path).body:
        if isinstance(node, ast.ImportFrom) and any((a.asname or a.name) == name == a.name for a in node.names):
            package, *parts = (node.module or "").split(".")
            target = PACKAGE.joinpath(*parts)
            if package == PACKAGE.name:
                yield from filter(Path.is_file, [target.with_suffix(".py"), *sorted(target.glob("*.py"))])


def _meaning(name: str, path: Path) -> tuple[ast.expr, Path] | None:
    """Return what the type `name` is assigned to, in `path` or in the file of this package that it comes from."""
    for source in [path, *_imported_from(name, path)]:
        for node in _parsed(source).body:
            if isinstance(node, ast.Assign) and [t.id for t in node.targets if isinstance(t, ast.Name)] == [name]:
                return node.value, source
    return None


def _parameter(argument: ast.arg, default: ast.expr | None, path: Path) -> Parameter:
    try:
        found = _Annotation.of(argument, path)
        value = _REQUIRED if default is None else ast.literal_eval(default)
    except (ValueError, TypeError, RecursionError):
        raise ParameterError(
            f"{path}:{argument.lineno}: the default of '{argument.arg}' should be a literal, and its choices too"
        ) from None
    return Parameter(argument.arg, tuple(found.types), tuple(found.choices), value, found.plugin)


@dataclass
class _Annotation:
    """What the annotation of an argument says, gathered part by part."""

    types: list[str] = field(default_factory=list)
    choices: list[Any] = field(default_factory=list)
    plugin: str = ""

    @classmethod
    def of(cls, argument: ast.arg, path: Path) -> _Annotation:
        """Read the annotation of an argument that stands in `path`. Raises ValueError where no literals are."""
        found = cls()
        found.read(argument.annotation, path)
        return found

    def read(self, node: ast.expr | None, path: Path) -> None:
        """Add an annotation, or a part of one."""
        match node:
            case ast.BinOp(left=left, right=right):
                self.read(left, path)
                self.read(right, path)
            case ast.Subscript(value=ast.Name(id="Literal"), slice=words):
                options = words.elts if isinstance(words, ast.Tuple) else [words]
                self.choices.extend(ast.literal_eval(option) for option in options)
                self.types.append("one of " + ", ".join(map(repr, self.choices)))
            case ast.Subscript(
                value=ast.Name(id="Annotated"), slice=ast.Tuple(elts=[inner, ast.Constant(value=str(kind)), *_])
            ):
                self.plugin = kind
                self.read(inner, path)
            case ast.Subscript(value=ast.Name(id="Annotated"), slice=ast.Tuple(elts=[inner, *_])):
                self.read(inner, path)
            case ast.Subscript(value=ast.Name(id="list"), slice=ast.Name(id=name)) if name in _TYPES:
                self.types.append(f"list[{name}]")
            case ast.Name(id=name) if name not in _TYPES and (meaning := _meaning(name, path)) is not None:
                self.read(*meaning)
            case ast.Name(id=name):
                self.types.append(name)
            case ast.Constant(value=None):
                self.types.append("None")
            case _:
                self.types.append("float")
