"""What other distributions bring by entry points: plug-ins, cost tables, suites. Metadata is read, nothing imported.

A distribution says `[project.entry-points."spikebench.neurons"]` and below it `adaptive = "mylab.neurons:AdaptiveLIF"`;
the group is `spikebench.` and the kind in the plural. Tables and suites are data: there the value names a package, and
every .toml file in its folder is one, called as the file is.
"""

from __future__ import annotations

import functools
import importlib.metadata
import importlib.util
import sys
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from bench.errors import ParameterError

LONGEST_MODULE = 200  # characters; a file's name has 255 bytes at most


@dataclass(frozen=True)
class Installed:
    """One thing that a distribution brings. `value`: `package.module:Class`, or the path of a table or suite."""

    name: str
    value: str
    distribution: str  # name and version
    problem: str = ""  # why it cannot be used


def installed(kind: str, built_in: Collection[str] = ()) -> dict[str, Installed]:
    """Return the plug-ins of a kind that other distributions bring, by name.

    One that cannot be used says so, and harms no other: its name is brought twice or is `built_in`, or its value is no
    `package.module:Class`.
    """
    return _by_name(kind, map(functools.partial(_with_class, kind), _entries(kind, tuple(sys.path))), built_in)


def installed_files(kind: str, built_in: Collection[str] = ()) -> dict[str, Installed]:
    """Return the tables or suites (`table`, `suite`) that other distributions bring, by the name of their file.

    One that cannot be used says so: its name is there twice or is `built_in`, or it is a package that does not exist.
    """
    found = []
    for entry in _entries(kind, tuple(sys.path)):
        folder = folder_of(entry.value)
        if folder is None:
            problem = (
                f"{entry.distribution} brings {kind}s in '{entry.value:.60}', which is no package on Python's path"
            )
            found.append(replace(entry, name=entry.value, problem=problem))
            continue
        found += [Installed(path.stem, str(path), entry.distribution) for path in sorted(folder.glob("*.toml"))]
    return _by_name(kind, found, built_in)


def usable(entry: Installed) -> Installed:
    """Return what was given. Raises ParameterError where it cannot be used."""
    if entry.problem:
        raise ParameterError(entry.problem)
    return entry


def chosen(found: Mapping[str, Installed], name: str) -> Installed | None:
    """Return the file called `name` among those of `installed_files`, None where no package brings it.

    Raises ParameterError where it cannot be used, or may be in a package that does not exist.
    """
    gone = (entry for entry in found.values() if entry.problem and entry.name == entry.value)
    entry = found.get(name) or next(gone, None)
    return None if entry is None else usable(entry)


def _by_name(kind: str, found: Iterable[Installed], built_in: Collection[str]) -> dict[str, Installed]:
    named: dict[str, Installed] = {}
    for entry in found:
        other = "spikebench itself" if entry.name in built_in else None
        if entry.name in named:
            other = named[entry.name].distribution
        if other is not None:
            problem = (
                f"{kind} '{entry.name:.60}' is brought by {entry.distribution} and by {other}; uninstall one, or give "
                "it another name there"
            )
            entry = replace(entry, problem=problem)
        named[entry.name] = entry
    return named


def _with_class(kind: str, entry: Installed) -> Installed:
    if all(entry.value.partition(":")):
        return entry
    where = f"{kind} '{entry.name:.60}' of {entry.distribution}"
    return replace(entry, problem=f"{where}: '{entry.value:.60}' should be package.module:Class")


@functools.lru_cache(maxsize=64)
def _entries(kind: str, path: tuple[str, ...]) -> tuple[Installed, ...]:
    """Read the entry points of a kind; they are read again when Python's path changes."""
    points = importlib.metadata.entry_points(group=f"spikebench.{plural(kind)}")
    return tuple(Installed(point.name, point.value, _distribution(point)) for point in points)


def _distribution(point: importlib.metadata.EntryPoint) -> str:
    return f"{point.dist.name} {point.dist.version}" if point.dist else "an unknown distribution"


def plural(kind: str) -> str:
    """Return the word for several plug-ins of a kind, as `losses`."""
    return f"{kind}{'es' if kind.endswith('s') else 's'}"


def source_of(module: str) -> Path | None:
    """Find the source of a module without running any of its package."""
    sources, _ = _places(module)
    return next((source for source in sources if source.suffix == ".py" and source.is_file()), None)


def is_there(module: str) -> bool:
    """Whether there is a module of this name, be it without a source (within a package: only with one)."""
    try:
        return module.isidentifier() and importlib.util.find_spec(module) is not None
    except ValueError:  # as below
        return False


def folder_of(module: str) -> Path | None:
    """Find the folder of a package, or the one that a module lies in, without running any of it."""
    sources, folders = _places(module)
    inside = [*folders, *(source.parent for source in sources if source.is_file())]
    return next((folder for folder in inside if folder.is_dir()), None)


def _places(module: str) -> tuple[list[Path], list[Path]]:
    """Return where the source of a module may be, and the folder of the package that it may be."""
    package, *inner = module.split(".")
    if len(module) > LONGEST_MODULE or not all(part.isidentifier() for part in (package, *inner)):
        return [], []  # a path would lead out of the package
    try:
        spec = importlib.util.find_spec(package)
    except ValueError:  # a module that was put into sys.modules by hand
        return [], []
    if spec is None:
        return [], []
    folders = [Path(folder) for folder in spec.submodule_search_locations or ()]
    sources = [Path(spec.origin)] if spec.origin else []
    for name in inner:
        sources = [source for folder in folders for source in (folder / name / "__init__.py", folder / f"{name}.py")]
        folders = [folder / name for folder in folders]
    return sources, folders
