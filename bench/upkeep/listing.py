"""What a suite may name, as rows to print: name, parameters and what it is, from the sources alone. No torch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from bench.energy.table import load_table, table_names
from bench.errors import BenchError, SuiteError
from bench.plugins import registry
from bench.plugins.signature import Parameter
from bench.suite.load import load_suite


def rows_of(listing: str) -> list[tuple[str, ...]]:
    """Return the rows of `neurons`, `encoders`, `models`, `datasets`, `suites` or `tables`.

    Raises BenchError where there are no suite files.
    """
    if listing == "suites":
        return _suite_rows()
    if listing == "tables":
        return [(name, load_table(name).title) for name in table_names()]
    return _plugin_rows(listing.removesuffix("s"))


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"


def _suite_rows() -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = []
    for path in sorted(Path("suites").glob("*.toml")):
        try:
            suite = load_suite(path)
        except SuiteError as error:  # one broken file must not hide the others
            rows.append(
                (
                    str(path),
                    f"cannot be used: {_counted(len(error.problems), 'problem')}; see `spikebench check {path}`",
                )
            )
        else:
            rows.append((str(path), f"{suite.spec.title} ({_counted(len(suite.runs), 'run')})"))
    if not rows:
        raise BenchError("suites/: no suite files here; run this in the folder that holds suites/")
    return rows


def _plugin_rows(kind: str) -> list[tuple[str, ...]]:
    def words(parameter: Parameter) -> Any:
        return parameter.name if parameter.required else f"{parameter.name}={parameter.default}"

    return [
        (info.name, ", ".join(map(words, info.parameters)), info.summary)
        for _, info in sorted(registry.plugins(kind).items())
    ]
