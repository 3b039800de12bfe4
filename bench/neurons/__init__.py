"""Spiking neurons, one class in one file: `from bench.neurons import LIF`; a class is imported when it is named."""

from __future__ import annotations

import importlib
from typing import Any

from bench.plugins.registry import plugins

# Nothing is imported from the neuron files here: the digest of the code that made a record follows imports, and a
# change to one neuron must not make the records of the others stale.
_EXPORTS = {
    "Neuron": "bench.neurons.base",
    "Surrogate": "bench.neurons.surrogate",
    "SurrogateName": "bench.neurons.surrogate",
    "make_factory": "bench.neurons.base",
}


def __getattr__(name: str) -> Any:
    if name in _EXPORTS:
        return getattr(importlib.import_module(_EXPORTS[name]), name)
    for info in plugins("neuron").values():
        if info.cls == name:
            return info.load()
    raise AttributeError(f"module 'bench.neurons' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted([*globals(), *_EXPORTS, *(info.cls for info in plugins("neuron").values())])
