"""The verb `speed`: how fast a suite's entries train here."""

from __future__ import annotations

import json as json_module
from contextlib import suppress
from pathlib import Path
from typing import Annotated

import typer

from bench.commands.options import Data, Device, Offline, check_file, err, load, out, text_of
from bench.errors import RunFailedError, StoreError
from bench.train.machine.path import ExecutionPath


def speed(
    suite: Annotated[Path, typer.Argument(metavar="[SUITE]", help="A suite file.")] = Path("suites/digits.toml"),
    only: Annotated[
        str | None, typer.Option(metavar="LABEL", parser=text_of, help="Only this entry, and the baseline.")
    ] = None,
    against: Annotated[
        str, typer.Option(metavar="LIBRARY,...", help="Also with these libraries' neurons: spikingjelly, snntorch.")
    ] = "",
    repeats: Annotated[int, typer.Option(min=1, metavar="N", help="Interleaved turns.")] = 5,
    json: Annotated[Path | None, typer.Option(metavar="FILE", help="Write every turn there, as it ends.")] = None,
    device: Device = "auto",
    data: Data = Path("data"),
    offline: Offline = False,
    path: Annotated[
        ExecutionPath, typer.Option(help="How steps are executed; numbers agree to float rounding.")
    ] = "auto",
    trust: Annotated[bool, typer.Option("--trust", help="Run code from outside this package that it names.")] = False,
) -> None:
    """Measure training steps: images/s, memory, distance to the limit, other libraries; nothing is kept in runs/."""
    [loaded] = load([suite], trust)
    from bench.execute.interrupts import interrupts_deferred, terminate_like_interrupt
    from bench.execute.plan import Settings, check_values, resources
    from bench.files.durable import atomic_write
    from bench.speed.compare import Results, measure
    from bench.speed.subjects import subjects_of
    from bench.speed.table import render, to_json

    check_file(json)
    peers = [name.strip() for name in against.split(",") if name.strip()]
    [worker, *_], _ = resources(Settings(device=device, path=path))
    subjects = subjects_of(loaded, only, peers, device=worker, data=data, offline=offline, path=path)
    check_values([loaded])
    results = Results()

    def write() -> None:
        if json is not None and results.measured:
            turns = to_json(results.measured, results.left, loaded.spec.baseline, repeats)
            atomic_write(json, json_module.dumps(turns, indent=2) + "\n")

    def keep(so_far: Results) -> None:
        nonlocal results
        results = so_far
        with suppress(StoreError):  # a disk that is full may have room at the end, which says it where it has none
            write()

    terminate_like_interrupt()
    try:
        measure(subjects, repeats, err.print, keep)
        if not results.measured:
            raise RunFailedError("\n".join(item.why for item in results.left))
    finally:  # also when it is interrupted, and then whole
        with interrupts_deferred():
            if results.measured:
                out.print(render(results.measured, results.left, loaded.spec.baseline, repeats))
                write()
                if json is not None:
                    err.print(f"{json}")
