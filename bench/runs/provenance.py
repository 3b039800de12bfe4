"""Where a record comes from: parameters with defaults, the code's digest, the commit, the versions. No torch."""

from __future__ import annotations

import ast
import functools
import hashlib
import importlib.metadata
import platform
import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from bench.plugins import registry
from bench.suite.fields import PluginSpec
from bench.suite.run_spec import RunSpec

_ROOT = Path(__file__).parents[1]
_PACKAGES = ("spikebench", "torch", "torchvision", "tonic", "numpy", "fvcore")


def resolve_parameters(spec: RunSpec) -> dict[str, dict[str, Any]]:
    """Return every plug-in's parameters with the constructor's defaults filled in, by kind."""
    return {kind: registry.find(kind, part.name).resolve(part.params) for kind, part in _plugins(spec).items()}


def _plugins(spec: RunSpec) -> dict[str, PluginSpec]:
    return {"dataset": spec.dataset, "model": spec.model, "neuron": spec.neuron, "encoder": spec.encoder}


def code_digest(spec: RunSpec) -> str:
    """Return 12 hex digits over the sources that make a record: all that `run.py` imports, and the run's plug-ins.

    Another neuron's file, the report or the energy model do not enter: changing them leaves the record current.
    """
    files = set(_closure(_ROOT / "runs" / "run.py"))
    for kind, part in _plugins(spec).items():
        files |= _closure(registry.find(kind, part.name).path)
    return _digest(files)


def _digest(files: Iterable[Path]) -> str:
    digest = hashlib.sha256()
    for path in sorted(files, key=lambda file: (file.name, str(file))):
        digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:12]


def neuron_digest(neuron: PluginSpec) -> str:
    """Return 12 hex digits over the sources of a neuron: what a deployment of it depends on beside the run's code."""
    return _digest(_closure(registry.find("neuron", neuron.name).path))


@functools.cache
def _closure(start: Path) -> frozenset[Path]:
    seen, queue = {start}, [start]
    while queue:
        for path in _imports(queue.pop()):
            if path not in seen:
                seen.add(path)
                queue.append(path)
    return frozenset(seen)


def _imports(path: Path) -> Iterator[Path]:
    package = _dotted(path)
    for node in _executed(ast.parse(path.read_text("utf-8"))):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                keep = package[: len(package) - node.level + (path.stem == "__init__")]
                base = ".".join([*keep, base] if base else keep)
            names = [base, *(f"{base}.{alias.name}" for alias in node.names)]
        for name in names:
            found = _source(name)
            if found is not None:
                yield found


def _executed(node: ast.AST) -> Iterator[ast.AST]:
    """Walk the tree without what stands under `if TYPE_CHECKING:`, which never runs."""
    if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
        return
    yield node
    for child in ast.iter_child_nodes(node):
        yield from _executed(child)


def _dotted(path: Path) -> list[str]:
    if not path.is_relative_to(_ROOT):
        return []
    parts = list(path.relative_to(_ROOT.parent).with_suffix("").parts)
    return parts[:-1] if parts[-1] == "__init__" else parts


def _source(name: str) -> Path | None:
    head, *rest = name.split(".")
    if head != "bench" or not rest:  # the package's own __init__ only re-exports
        return None
    module = _ROOT.joinpath(*rest)
    for candidate in (module.with_suffix(".py"), module / "__init__.py"):
        if candidate.is_file():
            return candidate
    return None


def versions() -> dict[str, str]:
    """Return the versions of Python and of the libraries that numbers may depend on."""
    found = {"python": platform.python_version()}
    for name in _PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = "not installed"
    return found


def commit() -> str:
    """Return the commit of the checkout that holds this package, `-dirty` when it has changes, or "unknown"."""
    try:
        done = subprocess.run(
            ["git", "-C", str(_ROOT), "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"],
            capture_output=True,
            text=True,
            timeout=20,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return "unknown"
    return done.stdout.strip()
