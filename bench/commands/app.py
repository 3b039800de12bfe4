"""The command: verbs that call the library, print what it returns and turn its errors into exit codes."""

from __future__ import annotations

import errno
import logging
import os
import sys
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from bench.commands.count_model import count_model
from bench.commands.export import export_nir
from bench.commands.libraries import quiet_libraries
from bench.commands.look import check, count, diagnose, list_, status
from bench.commands.neurons import check_neuron, new
from bench.commands.options import INTERRUPTED, TERMINATED, err, out
from bench.commands.plan import plan
from bench.commands.rank import rank
from bench.commands.report import diff, report
from bench.commands.restamp import restamp
from bench.commands.run import run
from bench.commands.speed import speed
from bench.commands.streams import give_up_output, print_whatever_can_be
from bench.commands.tune import tune
from bench.commands.upkeep import clean, doctor
from bench.commands.verb import Verb
from bench.commands.watch import watch
from bench.errors import BenchError, StoreError
from bench.version import VERSION


class _Verbs(TyperGroup):
    """Every verb prints on any terminal, and ends a Ctrl-C in one line."""

    def main(self, *args: Any, **settings: Any) -> Any:
        print_whatever_can_be()
        logging.getLogger("matplotlib").setLevel(logging.ERROR)  # its word on a home where it cannot write
        return super().main(*args, **settings)

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt as asked:
            from bench.execute.interrupts import Terminated

            out.print("interrupted")
            raise typer.Exit(TERMINATED if isinstance(asked, Terminated) else INTERRUPTED) from None


app = typer.Typer(
    cls=_Verbs,
    help="Matched comparison of ANN, LIF, CLIF and other spiking networks.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(asked: bool) -> None:
    if asked:
        out.print(f"spikebench {VERSION}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and exit.", callback=_print_version, is_eager=True)
    ] = False,
) -> None:
    """Take what stands before a verb."""


for verb in (run, watch, plan, report, status, count, diagnose, check, diff, rank, tune, speed, doctor, clean, restamp):
    app.command(cls=Verb)(verb)

app.command("list", cls=Verb)(list_)

app.command("count-model", cls=Verb)(count_model)

app.command("export-nir", cls=Verb)(export_nir)

app.command("check-neuron", cls=Verb, context_settings={"allow_extra_args": True, "ignore_unknown_options": True})(
    check_neuron
)

app.add_typer(new, name="new")


def main() -> None:
    """Run the command; a BenchError becomes one message on standard error and its exit code."""
    if not {"", os.getcwd()} & set(sys.path):  # as `python -m bench` has it; last, so that it hides nothing
        sys.path.append(os.getcwd())
    quiet_libraries()
    try:
        app()
    except BenchError as error:
        err.print(f"spikebench: {error}")
        sys.exit(error.exit_code)
    except OSError as error:
        if error.filename is not None or error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO):
            raise
        give_up_output()
        err.print(f"spikebench: what it says cannot be written: {error.strerror}")
        sys.exit(StoreError.exit_code)
