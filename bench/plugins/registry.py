"""Plug-ins by name: found by scanning a folder, described by their constructor, imported only when used.

A plug-in is a public class with a class attribute `name = "..."` in a file of its kind's folder. Its keyword-only
constructor arguments are its parameters: annotation and default are read from the source, so that a suite is checked
without importing torch. A plug-in of another package is named `"package.module:Class"`: its source is read too, and it
is imported only when the user has said that it may.
"""

from __future__ import annotations

import ast
import functools
import importlib.util
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.errors import ParameterError, UnknownNameError, nearest
from bench.plugins.signature import Parameter, class_attribute, class_flags, classes_in, constructor_of, parameter_of
from bench.plugins.trust import TRUST_VARIABLE, trusted

PACKAGE = Path(__file__).parents[1]

# Where the plug-ins of a kind lie, and they alone are scanned: contracts and helpers have no `name`. A folder that
# does not exist holds none.
FOLDERS = {
    "neuron": "neurons",
    "surrogate": "neurons/surrogates",
    "encoder": "encoders",
    "model": "models",
    "dataset": "data",
    "augmentation": "data/augmentations",
    "optimizer": "train/optimizers",
    "schedule": "train/schedules",
    "rule": "energy/rules",
    "format": "report/formats",
    "engine": "execute/engines",
}

LONGEST_MODULE = 200  # characters; a file's name has 255 bytes at most


@dataclass(frozen=True)
class PluginInfo:
    """What the source of a plug-in says about it."""

    kind: str
    name: str
    module: str
    cls: str
    path: Path
    summary: str  # first line of the docstring
    parameters: tuple[Parameter, ...]
    flags: Mapping[str, bool] = field(default_factory=dict)  # class attributes, as `spiking = False`
    harness: tuple[str, ...] = ()  # arguments that start with an underscore: the harness gives them, no suite

    def load(self) -> type:
        """Import the module and return the class.

        Raises ParameterError when it is outside this package and not trusted, or when importing it fails.
        """
        if self.outside and not trusted(self.module):
            raise ParameterError(
                f"{self.kind} '{self.name}' would import '{self.module}' ({self.path}) from outside this package; "
                f"if you trust that code, pass --trust or set {TRUST_VARIABLE}={self.module}"
            )
        try:
            importlib.import_module(self.module)
        except ImportError as error:
            raise ParameterError(f"{self.kind} '{self.name}': cannot import '{self.module}': {error}") from error
        loaded: type = getattr(importlib.import_module(self.module), self.cls)
        return loaded

    @property
    def outside(self) -> bool:
        """Whether the plug-in is code of another package."""
        return self.module.partition(".")[0] != "bench"

    def problems(self, params: Mapping[str, Any]) -> dict[str, str]:
        """Check `params` against the constructor: parameter name -> what is wrong with it."""
        known = {parameter.name: parameter for parameter in self.parameters}
        found = {
            name: f"unknown parameter of {self.kind} '{self.name}'; {nearest(name, list(known))}"
            for name in params
            if name not in known
        }
        for name, parameter in known.items():
            if name in params:
                message = parameter.problem(params[name])
                if message:
                    found[name] = message
            elif parameter.required:
                found[name] = f"{self.kind} '{self.name}' needs it"
        return found

    def resolve(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """Return the parameters with defaults filled in."""
        return {p.name: params.get(p.name, p.default) for p in self.parameters}


def plugins(kind: str) -> dict[str, PluginInfo]:
    """Return the built-in plug-ins of a kind, one of `FOLDERS`, by name."""
    return _scan(kind)


def find(kind: str, name: str) -> PluginInfo:
    """Return the plug-in called `name`, or `package.module:Class` from outside.

    Outside code is not imported here. Raises UnknownNameError when there is no such plug-in, ParameterError when there
    is no such module or class.
    """
    if ":" in name:
        return _outside(kind, name)
    known = plugins(kind)
    if name not in known:
        raise UnknownNameError(kind, name, known)
    return known[name]


def create(kind: str, name: str, harness: Mapping[str, Any] | None = None, /, **params: Any) -> Any:
    """Construct a plug-in from its parameters and those of the `harness` arguments that it takes.

    Raises UnknownNameError or ParameterError for a name or value it does not take.
    """
    info = find(kind, name)
    wrong = info.problems(params)
    if wrong:
        raise ParameterError("\n".join(f"{key}: {message}" for key, message in wrong.items()))
    try:
        given = {key: value for key, value in (harness or {}).items() if key in info.harness}
        return info.load()(**params, **given)
    except ValueError as error:
        raise ParameterError(f"{kind} '{name}': {error}") from error


@functools.cache
def _scan(kind: str) -> dict[str, PluginInfo]:
    folder = PACKAGE / FOLDERS[kind]
    found: dict[str, PluginInfo] = {}
    for path in sorted(folder.glob("*.py")):
        module = ".".join(["bench", *FOLDERS[kind].split("/"), path.stem])
        for info in _describe(kind, module, path):
            if info.name in found:
                raise ParameterError(f"{kind} '{info.name}' is defined in {found[info.name].path} and in {path}")
            found[info.name] = info
    return found


def _describe(kind: str, module: str, path: Path) -> list[PluginInfo]:
    classes = classes_in(path)
    return [
        _info(kind, name, module, node, classes, path)
        for node in classes.values()
        if not node.name.startswith("_") and (name := class_attribute(node, "name")) is not None
    ]


def _info(
    kind: str, name: str, module: str, node: ast.ClassDef, classes: Mapping[str, ast.ClassDef], path: Path
) -> PluginInfo:
    doc = ast.get_docstring(node) or ""
    summary = doc.partition("\n")[0]
    flags = class_flags(node, classes, path)
    constructor = constructor_of(node, classes, path)
    if constructor is None:
        return PluginInfo(kind, name, module, node.name, path, summary, (), flags)
    arguments, source = constructor
    parameters = tuple(
        parameter_of(argument, default, source)
        for argument, default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)
        if not argument.arg.startswith("_")
    )
    harness = tuple(argument.arg for argument in arguments.kwonlyargs if argument.arg.startswith("_"))
    return PluginInfo(kind, name, module, node.name, path, summary, parameters, flags, harness)


def _outside(kind: str, name: str) -> PluginInfo:
    module, _, _ = name.partition(":")
    path = _source_of(module)
    if path is None:
        raise ParameterError(
            f"{kind} '{name:.60}': there is no module '{module:.60}' on Python's path; install its package, or run "
            "this in the folder that holds it"
        )
    return describe(kind, name, path)


def describe(kind: str, name: str, path: Path) -> PluginInfo:
    """Describe the plug-in `package.module:Class` from its source. Raises ParameterError where the class is missing."""
    module, _, cls = name.partition(":")
    classes = classes_in(path)
    if cls not in classes:
        raise ParameterError(f"{kind} '{name:.60}': no class '{cls:.60}' in {path}; {nearest(cls, sorted(classes))}")
    return _info(kind, name, module, classes[cls], classes, path)


def _source_of(module: str) -> Path | None:
    """Find the source of a module without running any of its package."""
    package, *inner = module.split(".")
    if len(module) > LONGEST_MODULE or not all(part.isidentifier() for part in (package, *inner)):
        return None  # a path would lead out of the package
    try:
        spec = importlib.util.find_spec(package)
    except ValueError:  # a module that was put into sys.modules by hand
        return None
    if spec is None:
        return None
    folders = [Path(folder) for folder in spec.submodule_search_locations or ()]
    sources = [Path(spec.origin)] if spec.origin else []
    for name in inner:
        sources = [source for folder in folders for source in (folder / name / "__init__.py", folder / f"{name}.py")]
        folders = [folder / name for folder in folders]
    return next((source for source in sources if source.suffix == ".py" and source.is_file()), None)
