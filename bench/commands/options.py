"""What the verbs share: where they print, options that several take, suites loaded for them."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterable
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from bench.errors import BenchError
from bench.plugins.trust import trust as trust_modules

if TYPE_CHECKING:
    from bench.suite.load import Suite

INTERRUPTED, TERMINATED = 130, 143  # 128 + SIGINT and 128 + SIGTERM, as shells have it

out = Console(soft_wrap=True, highlight=False, markup=False, emoji=False)

err = Console(soft_wrap=True, highlight=False, markup=False, emoji=False, stderr=True)


def text_of(word: str) -> str:
    """Return a word of the command line as the text that suites have: in UTF-8, whatever the locale."""
    return os.fsencode(word).decode("utf-8", "replace")


Suites = Annotated[list[Path], typer.Argument(metavar="SUITE...", help="Suite files, as suites/digits.toml.")]

OneSuite = Annotated[Path, typer.Argument(metavar="SUITE", help="A suite file.")]

Only = Annotated[
    list[str] | None, typer.Option(metavar="LABEL", parser=text_of, help="Only this entry; may be repeated.")
]

Entry = Annotated[str, typer.Option("--only", metavar="LABEL", parser=text_of, help="The entry.")]

Seed = Annotated[list[int] | None, typer.Option(metavar="N", help="Only this seed; may be repeated.")]

Jobs = Annotated[
    int | None, typer.Option(min=1, metavar="N", help="Runs at once (default: one per GPU, else per core).")
]

Device = Annotated[str, typer.Option(metavar="auto|cpu|cuda[:i]", help="Where to train.")]

On = Annotated[
    str,
    typer.Option(metavar="ENGINE[:PLACE]", help="Where runs are executed; see `spikebench list engines`."),
]

PerGpu = Annotated[int, typer.Option(min=1, metavar="K", help="Runs that share a GPU.")]

Data = Annotated[Path, typer.Option(envvar="SPIKEBENCH_DATA", metavar="DIR", help="Data folder.")]

Offline = Annotated[bool, typer.Option("--offline", help="Never download.")]

Trust = Annotated[bool, typer.Option("--trust", help="Run code from outside this package that suites or options name.")]


class Listing(StrEnum):
    """What `list` can list."""

    neurons = "neurons"
    surrogates = "surrogates"
    synapses = "synapses"
    encoders = "encoders"
    models = "models"
    datasets = "datasets"
    augmentations = "augmentations"
    optimizers = "optimizers"
    schedules = "schedules"
    losses = "losses"
    rules = "rules"
    conventions = "conventions"
    formats = "formats"
    engines = "engines"
    suites = "suites"
    tables = "tables"


def load(paths: list[Path], trusted: bool = False, uses: Iterable[tuple[str, str]] = ()) -> list[Suite]:
    """Load suites; `trusted`: the code from outside may run that they, and options, name.

    uses: the plug-ins that options name, by kind and name. Raises UnknownNameError or ParameterError where there is no
    such plug-in, SuiteError for suites that are wrong.
    """
    from bench.plugins.registry import outside_modules
    from bench.suite.load import load_suites

    modules = outside_modules(uses)
    suites = load_suites(paths)
    if trusted:
        trust_modules(modules.union(*(suite.outside_modules for suite in suites)))
    return suites


def collect_seldom() -> None:
    """Look for cyclic garbage less often: records by the thousand stay to the end of a command, and hold none."""
    gc.set_threshold(200_000)


def check_file(json: Path | None) -> None:
    """Raise BenchError, before any work is done, where `--json` names what cannot be a file of that work."""
    if json is not None and not json.parent.is_dir():
        raise BenchError(f"--json {json}: there is no folder {json.parent}")
    if json is not None and json.exists() and not json.is_file():
        raise BenchError(f"--json {json}: is a folder or a device; name a file")


def warn(lines: Iterable[str]) -> None:
    """Print warnings beside the output: nothing is wrong, and the command goes on."""
    for line in lines:
        err.print(f"warning: {line}")


def runs_in_words(count: int) -> str:
    """Say how many runs these are."""
    return f"{count} run{'' if count == 1 else 's'}"
