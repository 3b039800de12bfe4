"""Which code from outside this package the user lets run."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

TRUST_VARIABLE = "SPIKEBENCH_TRUST"


@dataclass
class _Trusted:
    modules: tuple[str, ...] = ()
    exactly: bool = False  # these alone, whatever the variable says


_here = _Trusted()  # in this process alone: another one of ours is told by its job


def trusted_modules() -> tuple[str, ...]:
    """Return the modules and packages whose code may run: what the user's variable says, and what `trust` was told."""
    said = () if _here.exactly else os.environ.get(TRUST_VARIABLE, "").split(",")
    return tuple(dict.fromkeys(filter(None, (word.strip() for word in (*said, *_here.modules)))))


def trusted(module: str) -> bool:
    """Whether the user has said that code of this module, or of a package that holds it, may run."""
    return any(module == word or module.startswith(word + ".") for word in trusted_modules())


def trust(modules: Iterable[str]) -> None:
    """Let code of these modules run, in this process and in those that it sends jobs to."""
    _here.modules = (*_here.modules, *modules)


@contextlib.contextmanager
def trusting_also(modules: Iterable[str]) -> Iterator[None]:
    """Within the block trust these modules beside those that are trusted already."""
    before = _here.modules
    trust(modules)
    try:
        yield
    finally:
        _here.modules = before


@contextlib.contextmanager
def trusting(modules: Iterable[str]) -> Iterator[None]:
    """Within the block trust exactly these modules and what `trust` adds, whatever the variable says here."""
    before = _here.modules, _here.exactly
    _here.modules, _here.exactly = tuple(modules), True
    try:
        yield
    finally:
        _here.modules, _here.exactly = before
