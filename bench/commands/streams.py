"""What is printed where a terminal or a pipe is not UTF-8: the nearest that it has, and never an error."""

from __future__ import annotations

import codecs
import io
import os
import sys
import unicodedata

_NEAREST = {"±": "+/-", "×": "x", "÷": "/", "µ": "u", "←": "<-", "→": "->", "↑": "^", "↓": "v", "…": "...", "ß": "ss"}
_DASHES = "\N{HYPHEN}\N{NON-BREAKING HYPHEN}\N{EN DASH}\N{EM DASH}\N{MINUS SIGN}"
_NAME = "spikebench.nearest"


def print_whatever_can_be() -> None:
    """Let standard output and error replace the characters that their encoding lacks."""
    codecs.register_error(_NAME, _replaced)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=_NAME)


def give_up_output() -> None:
    """Let standard output go nowhere, so that the interpreter does not try to write the rest when it ends."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


def nearest_ascii(character: str) -> str:
    """Return a character in ASCII.

    >>> [nearest_ascii(character) for character in "±×ü–θΔ实"]
    ['+/-', 'x', 'u', '-', 'theta', 'Delta', '?']
    """
    if character in _NEAREST:
        return _NEAREST[character]
    if character in _DASHES:
        return "-"
    plain = unicodedata.normalize("NFKD", character).encode("ascii", "ignore").decode("ascii")
    if plain:
        return plain
    script, _, letter = unicodedata.name(character, "").partition(" LETTER ")
    if script.startswith("GREEK") and letter.isalpha():
        return letter.capitalize() if script.endswith("CAPITAL") else letter.lower()
    return "?"


def _replaced(error: UnicodeError) -> tuple[str | bytes, int]:
    """Replace the first character that cannot be encoded; a byte of a file's name is printed as it is."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    character = error.object[error.start]
    if 0xDC80 <= ord(character) <= 0xDCFF:  # how Python keeps bytes that are no text in the locale
        return bytes([ord(character) - 0xDC00]), error.start + 1
    return nearest_ascii(character), error.start + 1
