"""Encoders, one class in one file, turn images into sequences: `from bench.encoders import Direct`."""

from __future__ import annotations

import importlib
from typing import Any

from bench.plugins.registry import plugins


# Nothing is imported from the encoder files here: the digest of the code that made a record follows imports, and a
# change to one encoder must not make the records of the others stale.
def __getattr__(name: str) -> Any:
    if name == "Encoder":
        return importlib.import_module("bench.encoders.base").Encoder
    for info in plugins("encoder").values():
        if info.cls == name:
            return info.load()
    raise AttributeError(f"module 'bench.encoders' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted([*globals(), "Encoder", *(info.cls for info in plugins("encoder").values())])
