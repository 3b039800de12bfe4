"""What a format of reports is: a class with a name in a file of this folder, or anywhere as `package.module:Class`."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod

from bench.errors import ParameterError
from bench.plugins.registry import create, find
from bench.report.formats.document import Document, MainTable
from bench.report.formats.inline import Emphasis, Inline, Said, Strong, Text, Verbatim

PAGE_SUFFIX = ".md"  # every report has a page in markdown, which no other format may replace


class Format(ABC):
    """A format that writes the main table; `name` is what `spikebench report --format` takes."""

    @abstractmethod
    def main_table(self, table: MainTable) -> str:
        """Return the main table: all of it, its narrow form or its numbers, as suits the format."""


class PageFormat(Format):
    """A format that also writes whole pages, into files that end in `suffix`."""

    suffix: str

    @abstractmethod
    def page(self, document: Document) -> str:
        """Return a whole page."""


class Markup(Format):
    """A format with markup: it says how each kind of span is written, and nothing else escapes anything."""

    @abstractmethod
    def plain(self, words: str) -> str:
        """Return the program's own words."""

    @abstractmethod
    def said(self, words: str) -> str:
        """Return the words of others so that they are shown as they are, whatever is in them."""

    @abstractmethod
    def strong(self, written: str) -> str:
        """Return what is written already, so that it stands out."""

    @abstractmethod
    def emphasis(self, written: str) -> str:
        """Return what is written already, with stress."""

    @abstractmethod
    def verbatim(self, words: str) -> str:
        """Return a name that is typed as it stands."""

    def inline(self, part: Inline) -> str:
        """Return spans as text of this format."""
        match part:
            case Text(spans):
                return "".join(map(self.inline, spans))
            case Said(words):
                return self.said(words)
            case Strong(inner):
                return self.strong(self.inline(inner))
            case Emphasis(inner):
                return self.emphasis(self.inline(inner))
            case Verbatim(words):
                return self.verbatim(words)
            case str():
                return self.plain(part)


def format_named(name: str) -> Format:
    """Return a format: one of this folder, one that a distribution brings, or `package.module:Class`.

    Raises UnknownNameError for a name that does not exist, ParameterError for code of others that is not trusted or is
    no format.
    """
    info = find("format", name)
    found = info.load()
    wrong = _wrong(found)
    if not wrong and info.outside and str(getattr(found, "suffix", "")).lower() == PAGE_SUFFIX:
        wrong = f"should have a suffix other than '{PAGE_SUFFIX}', that of the page in markdown"
    if wrong:
        raise ParameterError(f"format '{name}': {found.__name__} {wrong}")
    format: Format = create("format", name)
    return format


def text_of(format: Format, written: object) -> str:
    """Return what a format has written. Raises ParameterError where that is no text."""
    if not isinstance(written, str):
        found = type(format)
        raise ParameterError(
            f"format '{found.__module__}:{found.__name__}': should return text, not {type(written).__name__}"
        )
    return written


def _wrong(found: type) -> str:
    """Say what keeps a class from being a format, or nothing."""
    if not issubclass(found, Format):
        return f"should inherit from {Format.__module__}.Format"
    missing = sorted(found.__abstractmethods__)
    if missing:
        return f"should have {', '.join(missing)}"
    suffix = getattr(found, "suffix", None)
    if issubclass(found, PageFormat) and not re.fullmatch(r"\.\w+", str(suffix)):
        return f"should have a suffix as '.html', not {suffix!r:.60}"
    return ""
