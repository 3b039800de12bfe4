"""Plug-ins by name: found by scanning a folder, described by their constructor, imported only when used.

A plug-in is a public class with a class attribute `name = "..."` in a file of its kind's folder. Its keyword-only
constructor arguments are its parameters: annotation and default are read from the source, so that a suite is checked
without importing torch. A plug-in of another package is named `"package.module:Class"`, or as the entry point of its
distribution says: its source is read too, and it is imported only when the user has said that it may.
"""

from __future__ import annotations

import ast
import contextlib
import functools
import importlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from bench.errors import BenchError, ParameterError, UnknownNameError, nearest
from bench.plugins.contract import breach
from bench.plugins.installed import installed, is_there, source_of, usable
from bench.plugins.signature import (
    Parameter,
    class_attribute,
    class_flags,
    classes_in,
    no_choice,
    parameters_of,
)
from bench.plugins.trust import TRUST_VARIABLE, trusted

PACKAGE = Path(__file__).parents[1]
# What code of others may raise when it is wrong; of our own only the ValueError of a constructor is the user's affair.
_WRONG = (
    RuntimeError, TypeError, ValueError, LookupError, AttributeError, ArithmeticError, AssertionError, NameError,
    SyntaxError, OSError, ImportError,
)  # fmt: skip

# Where the plug-ins of a kind lie, and they alone are scanned: contracts and helpers have no `name`. A folder that
# does not exist holds none.
FOLDERS = {
    "synapse": "synapses",
    "neuron": "neurons",
    "surrogate": "neurons/surrogates",
    "encoder": "encoders",
    "model": "models",
    "dataset": "data",
    "augmentation": "data/augmentations",
    "optimizer": "train/optimizers",
    "schedule": "train/schedules",
    "loss": "train/losses",
    "rule": "energy/rules",
    "convention": "energy/conventions",
    "format": "report/formats",
    "engine": "execute/engines",
}


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
    distribution: str = ""  # whose entry point gives it its name; "" of this package, and of `package.module:Class`

    def load(self) -> type:
        """Import the module and return the class.

        Raises ParameterError when it is outside this package and not trusted, cannot be imported, or is none of its
        kind.
        """
        if self.outside and not trusted(self.module):
            raise ParameterError(
                f"{self.kind} '{self.name}' would import '{self.module}' ({self.path}) from outside this package; "
                f"if you trust that code, pass --trust or set {TRUST_VARIABLE}={self.module}"
            )
        try:
            loaded: type = getattr(importlib.import_module(self.module), self.cls)
        except self._heard(ImportError) as error:
            cause = error if isinstance(error, ImportError) else _in_words(error)
            raise ParameterError(f"{self.kind} '{self.name}': cannot import '{self.module}': {cause}") from error
        wrong = breach(self.kind, loaded) if self.outside else ""
        if wrong:
            raise ParameterError(f"{self.kind} '{self.name}': {wrong}")
        return loaded

    def construct(self, params: Mapping[str, Any], harness: Mapping[str, Any]) -> Any:
        """Construct it from parameters that were checked, and those of the `harness` arguments that it takes.

        Raises ParameterError where it refuses them, or may not be imported.
        """
        given = {key: value for key, value in harness.items() if key in self.harness}
        cls = self.load()
        with self.constructing():
            return cls(**params, **given)

    @contextlib.contextmanager
    def constructing(self) -> Iterator[None]:
        """Within the block its constructor is called: what it raises as it is refused, or wrong, is a ParameterError.

        Of a class of this package that is ValueError alone: anything else is a mistake of ours.
        """
        try:
            yield
        except self._heard(ValueError) as error:
            cause = error if isinstance(error, ValueError) else _in_words(error)
            raise ParameterError(f"{self.kind} '{self.name}': {cause}") from error

    def _heard(self, ours: type[Exception]) -> tuple[type[Exception], ...]:
        return _WRONG if self.outside else (ours,)

    @property
    def outside(self) -> bool:
        """Whether the plug-in is code of another package."""
        return self.module.partition(".")[0] != PACKAGE.name

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
                message = _problem(parameter, params[name])
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
    return scan(kind)


def find(kind: str, name: str) -> PluginInfo:
    """Return the plug-in called `name`: built in, brought by a distribution, or `package.module:Class` from outside.

    Outside code is not imported here. Raises UnknownNameError when there is no such plug-in, ParameterError when there
    is no such module or class, or two of that name, and for a class of this package, which has a plain name.
    """
    if ":" in name:
        return _outside(kind, name)
    known = plugins(kind)
    if name in known:
        return known[name]
    brought = installed(kind, known)
    if name not in brought:
        raise UnknownNameError(kind, name, {*known, *brought})
    entry = usable(brought[name])
    try:
        return replace(_outside(kind, entry.value), name=name, distribution=entry.distribution)
    except ParameterError as error:
        raise ParameterError(f"{kind} '{name}' of {entry.distribution}: {error}") from None


def references(kind: str, name: str, params: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return the plug-ins that a plug-in's parameters name, by kind and name: given ones and defaults.

    Raises UnknownNameError or ParameterError as `find`.
    """
    info = find(kind, name)
    values = info.resolve(params)
    return [(p.plugin, values[p.name]) for p in info.parameters if p.plugin and isinstance(values[p.name], str)]


def outside_modules(uses: Iterable[tuple[str, str]]) -> set[str]:
    """Return the modules outside this package that plug-ins, by kind and name, would import.

    Raises UnknownNameError or ParameterError as `find`.
    """
    return {info.module for kind, name in uses if (info := find(kind, name)).outside}


def create(kind: str, name: str, harness: Mapping[str, Any] | None = None, /, **params: Any) -> Any:
    """Construct a plug-in from its parameters and those of the `harness` arguments that it takes.

    Raises UnknownNameError or ParameterError for a name or value it does not take.
    """
    info = find(kind, name)
    wrong = info.problems(params)
    if wrong:
        raise ParameterError("\n".join(f"{key}: {message}" for key, message in wrong.items()))
    return info.construct(params, harness or {})


def _problem(parameter: Parameter, value: Any) -> str | None:
    """Say what is wrong with the value of a parameter, or None; one that names a plug-in may name any that there is."""
    if not parameter.plugin or not isinstance(value, str):
        return parameter.problem(value)
    try:
        find(parameter.plugin, value)
    except UnknownNameError as error:
        return no_choice(value, error.known)
    except BenchError as error:
        return str(error)
    return None


@functools.cache
def scan(kind: str, package: Path = PACKAGE) -> dict[str, PluginInfo]:
    """Describe the plug-ins of a kind that lie in their folder of `package`, by name.

    Raises ParameterError for a file that cannot be described, and where two have the same name.
    """
    found: dict[str, PluginInfo] = {}
    for path, node in _named(kind, package):
        info = _info(kind, class_attribute(node, "name") or "", _module(kind, path), node, classes_in(path), path)
        if info.name in found:
            raise ParameterError(f"{kind} '{info.name}' is defined in {found[info.name].path} and in {path}")
        found[info.name] = info
    return found


def _named(kind: str, package: Path = PACKAGE) -> Iterator[tuple[Path, ast.ClassDef]]:
    """Yield the plug-ins of a kind, file by file: the public classes with a name."""
    for path in sorted((package / FOLDERS[kind]).glob("*.py")):
        for node in classes_in(path).values():
            if not node.name.startswith("_") and class_attribute(node, "name") is not None:
                yield path, node


def _module(kind: str, path: Path) -> str:
    return ".".join([PACKAGE.name, *FOLDERS[kind].split("/"), path.stem])


@functools.cache
def _names(kind: str) -> tuple[str, ...]:
    """Return the names of the built-in plug-ins of a kind; they are not described, as they may name each other."""
    return tuple(sorted(class_attribute(node, "name") or "" for _, node in _named(kind)))


def _info(
    kind: str, name: str, module: str, node: ast.ClassDef, classes: Mapping[str, ast.ClassDef], path: Path
) -> PluginInfo:
    doc = ast.get_docstring(node) or ""
    summary = doc.partition("\n")[0]
    flags = class_flags(node, classes, path)
    parameters, harness = parameters_of(node, classes, path)
    parameters = tuple(map(_with_choices, parameters))
    return PluginInfo(kind, name, module, node.name, path, summary, parameters, flags, harness)


def _with_choices(parameter: Parameter) -> Parameter:
    if parameter.plugin not in FOLDERS:  # words about a value, of whatever sense they are to others
        return replace(parameter, plugin="")
    return replace(parameter, choices=_names(parameter.plugin))


def _outside(kind: str, name: str) -> PluginInfo:
    module, _, _ = name.partition(":")
    path = source_of(module)
    if path is None and is_there(module):
        raise ParameterError(f"{kind} '{name:.60}': there is no source of module '{module:.60}'; it is read from there")
    if path is None:
        raise ParameterError(
            f"{kind} '{name:.60}': there is no module '{module:.60}' on Python's path; install its package, or run "
            "this in the folder that holds it"
        )
    info = describe(kind, name, path)
    if not info.outside:
        plain = class_attribute(classes_in(path)[info.cls], "name")
        its_name = f"; its name is '{plain}'" if plain in plugins(kind) else ""
        raise ParameterError(f"{kind} '{name:.60}': is part of this package{its_name}")
    return info


def _in_words(error: BaseException) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split()).removesuffix(":")


def describe(kind: str, name: str, path: Path) -> PluginInfo:
    """Describe the plug-in `package.module:Class` from its source. Raises ParameterError where the class is missing."""
    module, _, cls = name.partition(":")
    classes = classes_in(path)
    if cls not in classes:
        raise ParameterError(f"{kind} '{name:.60}': no class '{cls:.60}' in {path}; {nearest(cls, sorted(classes))}")
    return _info(kind, name, module, classes[cls], classes, path)
