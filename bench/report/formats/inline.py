"""Words of a report as spans, none of which knows a format: plain, said by others, strong, emphasised, verbatim."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Said:
    """Words of others, as labels, names and values of suites and records: shown as they are, whatever is in them."""

    words: str


@dataclass(frozen=True)
class Strong:
    """Words that stand out."""

    inner: Inline


@dataclass(frozen=True)
class Emphasis:
    """Words with stress."""

    inner: Inline


@dataclass(frozen=True)
class Verbatim:
    """A name that is typed as it stands, as that of a function."""

    words: str


@dataclass(frozen=True)
class Text:
    """Spans one after the other. Plain ones are the program's own words, which need no care in markdown."""

    spans: tuple[Span, ...]

    def __bool__(self) -> bool:
        return bool(self.spans)


Span = str | Said | Strong | Emphasis | Verbatim
Inline = Span | Text


def text(*parts: Inline) -> Text:
    """Put words together.

    >>> text("The energy of ", Said("ANN"), text(" is ", "known."))
    Text(spans=('The energy of ', Said(words='ANN'), ' is ', 'known.'))
    """
    found: list[Span] = []
    for part in parts:
        found += part.spans if isinstance(part, Text) else [part] if part else []
    return Text(tuple(found))


def join(separator: str, parts: Iterable[Inline]) -> Text:
    """Put words together with a separator between them."""
    found: list[Inline] = []
    for part in parts:
        found += [separator, part] if found else [part]
    return text(*found)


def listed(parts: Iterable[Inline]) -> Text:
    """Put distinct words together in the order of their first appearance, with commas between them."""
    return join(", ", dict.fromkeys(parts))
