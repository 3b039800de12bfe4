"""The verb that hands a trained network on to other tools: `export-nir`."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

import typer

from bench.commands.options import Entry, OneSuite, Trust, load, out


def export_nir(
    suite: OneSuite,
    only: Entry,
    seed: Annotated[
        int | None, typer.Option(metavar="N", help="The seed (default: the first that is trained).")
    ] = None,
    file: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="Where to (default: SUITE-LABEL-N.nir, here).")
    ] = None,
    trust: Trust = False,
) -> None:
    """Write a trained network as a NIR graph, batch norm folded, where NIR can say exactly what it does."""
    from bench.files.durable import atomic_write
    from bench.store.store import Store

    [loaded] = load([suite], trust)
    from bench.execute.trained import trained_as_nir

    planned, content = trained_as_nir(loaded, only, seed, Store())
    label = re.sub(r"[^\w-]+", "-", planned.label).strip("-")
    file = file or Path(f"{loaded.name}-{label}-{planned.seed}.nir")
    atomic_write(file, content)
    out.print(f"{file}: '{planned.label}', seed {planned.seed}; read back, it gives the same bits")
