"""A verb of the command: an option that takes one value is not given two."""

from __future__ import annotations

from collections import Counter
from typing import Any

from typer.core import TyperCommand

from bench.errors import BenchError


class Verb(TyperCommand):
    """A verb that refuses what it would otherwise drop without a word: all but the last value of an option."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Read the command line. Raises BenchError for an option that takes one value and is given several."""
        given = list(args)
        rest = super().parse_args(ctx, args)
        _, _, order = self.make_parser(ctx).parse_args(args=given)
        once = [each for each in order if each.param_type_name == "option" and not _takes_several(each)]
        words = [word.partition("=")[0] for word in ctx.args if word.startswith("--")]  # where a verb takes any
        unknown = [f"--{word[2:].replace('-', '_')}" for word in words]  # and takes both ways to write one
        for option, times in Counter([*(_written(each) for each in once), *unknown]).items():
            if times > 1:
                raise BenchError(f"{option}: given {times} times, takes one value; give it once")
        return rest


def _takes_several(option: Any) -> bool:
    return bool(option.multiple or option.is_flag or option.count)


def _written(option: Any) -> str:
    name = max(option.opts, key=len)
    return f"{name} {option.metavar}" if option.metavar else str(name)
