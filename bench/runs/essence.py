"""What a syntax tree does, as text in one form only: without docstrings, comments and the words of messages.

Left out are strings that stand alone, what stands under `if TYPE_CHECKING:`, what an assertion or an error says, and
what goes to a log. A message that is put together elsewhere is part of what the code does.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Iterator
from typing import Any

LOGS = ("_log", "log", "logger", "logging")
_NO_MEANING = ("kind", "type_comment", "ctx", "msg")  # the last is an assertion's

Imports = Callable[[ast.Import | ast.ImportFrom], Iterable[str]]


def essence(node: Any, imports: Imports) -> str:
    """Write a tree, whatever Python's version: fields in order, empty ones left out; `imports` writes an import."""
    if isinstance(node, list):
        return f"[{','.join(essence(item, imports) for item in _meant(node))}]"
    if isinstance(node, ast.Import | ast.ImportFrom):
        return f"import({','.join(imports(node))})"
    if not isinstance(node, ast.AST):
        return repr(node)
    if isinstance(node, ast.Raise):
        node = _wordless(node)
    fields = []
    for name, value in ast.iter_fields(node):
        if isinstance(node, ast.JoinedStr):  # Python 3.12 ends some with an empty one
            value = [part for part in value if getattr(part, "value", None) != ""]
        if value not in (None, []) and name not in _NO_MEANING:
            fields.append(f"{name}={essence(value, imports)}")
    return f"{type(node).__name__}({','.join(fields)})"


def executed(node: ast.AST) -> Iterator[ast.AST]:
    """Walk a tree without what never runs."""
    yield node
    for value in (value for _, value in ast.iter_fields(node)):
        for child in _meant(value) if isinstance(value, list) else [value]:
            if isinstance(child, ast.AST):
                yield from executed(child)


def names_of(node: ast.Import | ast.ImportFrom) -> Iterator[tuple[str, str, str]]:
    """Yield (name it is bound to, module, name in the module) of an import; a relative one begins with its dots."""
    for alias in node.names:
        if isinstance(node, ast.Import):
            yield alias.asname or alias.name.partition(".")[0], alias.name, ""
        else:
            yield alias.asname or alias.name, "." * node.level + (node.module or ""), alias.name


def _meant(nodes: list[Any]) -> Iterator[Any]:
    for node in nodes:
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            yield from _meant(node.orelse)
        elif not (isinstance(node, ast.Expr) and (_is_text(node.value) or _is_logged(node.value))):
            yield node


def _is_text(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


def _is_logged(node: ast.AST) -> bool:
    match node:
        case ast.Call(func=ast.Attribute(value=ast.Name(id=name))):
            return name in LOGS
    return False


def _wordless(node: ast.Raise) -> ast.Raise:
    """Return which error is raised, with what it carries beside words."""
    if not isinstance(node.exc, ast.Call):
        return ast.Raise(exc=node.exc, cause=None)
    carried = [argument for argument in node.exc.args if not _is_words(argument)]
    named = [keyword for keyword in node.exc.keywords if not _is_words(keyword.value)]
    return ast.Raise(exc=ast.Call(func=node.exc.func, args=carried, keywords=named), cause=None)


def _is_words(node: ast.AST) -> bool:
    """Whether an expression is a text, or texts put together."""
    match node:
        case ast.JoinedStr():
            return True
        case ast.BinOp(left=left, right=right):
            return _is_words(left) or _is_words(right)
        case ast.IfExp(body=one, orelse=other):
            return _is_words(one) and _is_words(other)
        case ast.Call(func=ast.Attribute(value=value)):
            return _is_words(value)
        case ast.List(elts=parts) | ast.Tuple(elts=parts):
            return bool(parts) and all(map(_is_words, parts))
        case ast.ListComp(elt=part) | ast.GeneratorExp(elt=part):
            return _is_words(part)
    return _is_text(node)
