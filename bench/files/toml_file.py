"""A TOML file that somebody else wrote, read with limits on its size, its depth and its numbers."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

from bench.files.canonical import levels

MAX_BYTES = 200_000
MAX_DEPTH = 32
MAX_DIGITS = 4300  # of a number, where Python itself stops to read and to print them
_MAX_BITS = int(MAX_DIGITS * 3.3)
_MAX_DOTS = 100  # on a line: the parser's time grows with the square of the parts of a key
_NUMBER = re.compile(r"(?<![\w.])\d[\d_]*\.\d[\d_]*(?:[eE][+-]?\d+)?(?![\w.]|\s*\.)")  # whose dot parts no key


def read_toml(path: Path, what: str) -> dict[str, Any]:
    """Return the content of a file that holds `what`, as "a suite".

    Raises OSError where it cannot be read, and ValueError, in words that follow the file's name, where it is too large,
    no text, no TOML, or deeper or with longer numbers than `what` ever is.
    """
    if path.is_fifo():
        raise ValueError("is a pipe, and to wait for it could take for ever; give a file")
    with path.open("rb") as file:
        raw = file.read(MAX_BYTES + 1)  # a device says that it is empty, and never ends
    if len(raw) > MAX_BYTES:
        raise ValueError(f"larger than {MAX_BYTES // 1000} kB; {what} is a page of TOML")
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        raise ValueError(f"not a text file; {what} is TOML in UTF-8") from None
    for number, line in enumerate(text.split("\n"), 1):
        if line.count(".") > _MAX_DOTS and _NUMBER.sub("", line).count(".") > _MAX_DOTS:
            raise ValueError(f"line {number}: more than {_MAX_DOTS} dots; break it, or give the key fewer parts")
    try:
        data = tomllib.loads(text)
    except RecursionError:
        raise ValueError(f"not valid TOML: nested too deeply; {what} has at most {MAX_DEPTH} levels") from None
    except ValueError as error:  # a number of thousands of digits is a plain ValueError
        raise ValueError(f"not valid TOML: {error}") from None
    _check_values(data, what)
    return data


def _check_values(data: dict[str, Any], what: str) -> None:
    for depth, values in enumerate(levels(data)):
        if depth > MAX_DEPTH:
            raise ValueError(f"nested too deeply; {what} has at most {MAX_DEPTH} levels")
        if any(isinstance(value, int) and value.bit_length() > _MAX_BITS for value in values):
            raise ValueError(f"not valid TOML: a number of more than {MAX_DIGITS:,} digits")
