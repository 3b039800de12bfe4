"""The verb that counts a model of somebody's own: `count-model`."""

from __future__ import annotations

import json as json_module
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bench.commands.options import Trust, check_file, out, warn
from bench.commands.own import batches_of, failing, made, named, went_through
from bench.errors import BenchError, RunFailedError

if TYPE_CHECKING:
    from bench.energy.conventions.base import Convention
    from bench.energy.estimate import EnergyBreakdown
    from bench.records.counts import Counts

_LAYOUTS = ("TN", "NT", "N")
_KINDS = ("analog", "binary", "ternary", "graded", "values")
_ByOthers = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAME",
        help="What others charge, see `spikebench list conventions`, beside ours; may be repeated.",
    ),
]
_RATE = 0.1  # of the spikes that are drawn where no batches are given


def count_model(
    model: Annotated[
        str, typer.Argument(metavar="MODEL", help="mylab.nets:build, a module or what makes one, or a file.nir.")
    ],
    against: Annotated[str | None, typer.Option(metavar="MODEL", help="Another one, put beside it.")] = None,
    input_: Annotated[
        str | None, typer.Option("--input", metavar="SHAPE", help="Of one batch that is drawn: 4,2,3,32,32.")
    ] = None,
    batches: Annotated[
        str | None, typer.Option(metavar="NAME", help="mylab.data:loader, batches or what makes them.")
    ] = None,
    layout: Annotated[
        str | None, typer.Option(metavar="TN|NT|N", help="Which axes of an input are timesteps and samples.")
    ] = None,
    kind: Annotated[
        str, typer.Option(metavar="KIND", help="What the input is: analog, binary, ternary, graded, values.")
    ] = "analog",
    reset: Annotated[
        str, typer.Option(metavar="auto|none|NAME", help="What makes the model forget between batches.")
    ] = "auto",
    energy: Annotated[str, typer.Option(metavar="TABLE", help="The cost table.")] = "horowitz-fp32",
    convention: _ByOthers = None,
    json: Annotated[Path | None, typer.Option(metavar="FILE", help="Write every count as JSON too.")] = None,
    trust: Trust = False,
) -> None:
    """Count every operation of a PyTorch model: synops, dense MACs, spikes, kinds with their reasons, energy."""
    _one_of("--layout", layout, _LAYOUTS)
    _one_of("--kind", kind, _KINDS)
    if (input_ is None) == (batches is None):
        raise BenchError("--input, --batches: give one of them, the shape of a batch to be drawn or your own batches")
    shape = None if input_ is None else _shape(input_)
    check_file(json)
    from bench.energy.conventions.base import convention_called
    from bench.energy.estimate import load_table

    load_table(energy)
    conventions = [convention_called(name) for name in dict.fromkeys(convention or ())]
    names = [model, *([against] if against else [])]
    forget = reset if reset == "auto" else None if reset == "none" else named(reset, trust)
    data: Iterable[Any] = [_drawn(shape, kind)] if shape is not None else batches_of(str(batches), trust)
    if against:
        data = list(data)  # a loader may shuffle, a generator is read once: both are counted on the same
    counted: list[tuple[Counts, EnergyBreakdown]] = []
    try:
        for name in names:
            counted.append(_count(name, trust, data, layout=layout, input_kind=kind, reset=forget, table=energy))
    except RunFailedError as error:
        raise (error if shape is None else _of_tokens(names[len(counted)], error)) from error.__cause__
    finally:
        if counted and shape is not None:
            warn([f"the input is drawn: {_words(kind)}; densities and rates are those of your data with --batches"])
        _show(names, counted, conventions)
    if json is not None:
        from bench.files.durable import atomic_write

        written = {name: counts.model_dump(mode="json") for name, (counts, _) in zip(names, counted, strict=True)}
        atomic_write(json, json_module.dumps(written, indent=2) + "\n")


def _show(
    names: Sequence[str], counted: Sequence[tuple[Counts, EnergyBreakdown]], conventions: Sequence[Convention]
) -> None:
    """Print what was counted, also where it is not all."""
    from bench.report.formats.markdown import Markdown
    from bench.report.sections.counts_of_model import counts_of_model, side_by_side

    found = zip(names, counted, strict=False)
    blocks = [block for name, each in found for block in counts_of_model(name, *each, conventions)]
    blocks += [side_by_side(names, counted)] if len(counted) > 1 else []
    if blocks:
        out.print(Markdown().blocks(blocks))


def _count(
    name: str, trust: bool, data: Iterable[Any], *, table: str, **options: Any
) -> tuple[Counts, EnergyBreakdown]:
    import torch

    from bench.energy.estimate import estimate_energy
    from bench.measure.counting.count import count_operations

    if name.endswith(".nir"):
        from bench.nir.read import from_nir

        network = from_nir(name)
    else:
        network = made(name, named(name, trust))
    if not isinstance(network, torch.nn.Module):
        raise BenchError(f"{name}: is no torch.nn.Module, and makes none, but {type(network).__name__}")
    with failing(f"{name}: its forward pass failed"):
        counts = count_operations(network, data, **options)
    return counts, estimate_energy(counts, table)


def _of_tokens(name: str, error: RunFailedError) -> RunFailedError:
    """Return the error, in other words where a drawn input was taken for the numbers of tokens."""
    if not went_through(error.__cause__, ("embedding", "embedding_bag")):
        return error
    return RunFailedError(
        f"{name}: takes numbers of tokens, and --input draws none; give batches of them: --batches mylab.data:batches"
    )


def _drawn(shape: tuple[int, ...], kind: str) -> Any:
    import torch

    x = torch.rand(shape, generator=torch.Generator().manual_seed(0))
    return x if kind in ("analog", "values") else (x < _RATE).float()


def _words(kind: str) -> str:
    return "uniform in [0, 1)" if kind in ("analog", "values") else f"spikes of rate {_RATE}"


def _shape(said: str) -> tuple[int, ...]:
    try:
        shape = tuple(int(word) for word in said.split(","))
    except ValueError:
        shape = ()
    if not shape or min(shape) < 1:
        raise BenchError(f"--input {said}: is no shape; write extents with commas between, as 4,2,3,32,32")
    return shape


def _one_of(option: str, word: str | None, known: tuple[str, ...]) -> None:
    if word is not None and word not in known:
        raise BenchError(f"{option} {word}: should be one of {', '.join(known)}")
