"""What a suite may name, as rows to print: name, parameters and what it is, from the sources alone. No torch."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench.energy.table import installed_tables, load_table, table_names
from bench.errors import BenchError, SuiteError
from bench.plugins import registry
from bench.plugins.installed import installed, plural, usable
from bench.plugins.signature import Parameter
from bench.suite.load import installed_suites, load_suite


def rows_of(listing: str) -> list[tuple[str, ...]]:
    """Return the rows of `suites`, of `tables`, or of a kind of plug-in in the plural, as `neurons`.

    What another distribution brings says whose it is. Raises BenchError where there is nothing to list.
    """
    if listing == "suites":
        return _suite_rows()
    kinds = {plural(kind): kind for kind in registry.FOLDERS}
    rows = list(_table_rows() if listing == "tables" else _plugin_rows(kinds[listing]))
    if not rows:
        raise BenchError(f"there are no {listing} here, neither built in nor installed")
    return rows


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"


def _suite_rows() -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = [(str(path), _suite_in_words(path)) for path in sorted(Path("suites").glob("*.toml"))]
    for name, entry in sorted(installed_suites().items()):
        words = f"cannot be used: {entry.problem}" if entry.problem else _suite_in_words(Path(name))
        rows.append((name, f"{words}, of {entry.distribution}"))
    if not rows:
        raise BenchError("suites/: no suite files here; run this in the folder that holds suites/")
    return rows


def _suite_in_words(path: Path) -> str:
    try:
        suite = load_suite(path)
    except SuiteError as error:  # one broken file must not hide the others
        return f"cannot be used: {_counted(len(error.problems), 'problem')}; see `spikebench check {path}`"
    return f"{suite.spec.title} ({_counted(len(suite.runs), 'run')})"


def _table_rows() -> Iterator[tuple[str, ...]]:
    for name in table_names():
        yield name, load_table(name).title
    for name, entry in sorted(installed_tables().items()):
        try:
            usable(entry)
            title = load_table(name).title
        except BenchError as error:
            title = f"cannot be used: {error}"
        yield name, f"{title}, of {entry.distribution}"


def _plugin_rows(kind: str) -> Iterator[tuple[str, ...]]:
    known = registry.plugins(kind)
    yield from (_plugin_row(known[name]) for name in sorted(known))
    for name, entry in sorted(installed(kind, known).items()):
        try:
            usable(entry)
            yield _plugin_row(registry.find(kind, name))
        except BenchError as error:  # of a distribution that brings what is not there
            yield name, "", f"cannot be used: {error}"


def _plugin_row(info: registry.PluginInfo) -> tuple[str, ...]:
    def words(parameter: Parameter) -> Any:
        return parameter.name if parameter.required else f"{parameter.name}={parameter.default}"

    origin = f" Of {info.distribution}." if info.distribution else ""
    return info.name, ", ".join(map(words, info.parameters)), f"{info.summary}{origin}"
