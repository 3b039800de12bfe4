"""Which code from outside this package the user lets run."""

from __future__ import annotations

import os
from collections.abc import Iterable

TRUST_VARIABLE = "SPIKEBENCH_TRUST"


def trusted(module: str) -> bool:
    """Whether the user has said that code of this module, or of a package that holds it, may run."""
    words = [word.strip() for word in os.environ.get(TRUST_VARIABLE, "").split(",")]
    return any(word and (module == word or module.startswith(word + ".")) for word in words)


def trust(modules: Iterable[str]) -> None:
    """Let code of these modules run, in this process and in those that it starts."""
    words = [*filter(None, os.environ.get(TRUST_VARIABLE, "").split(",")), *modules]
    os.environ[TRUST_VARIABLE] = ",".join(dict.fromkeys(words))
