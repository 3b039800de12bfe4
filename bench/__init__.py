"""Matched comparison of ANN, LIF, CLIF and other spiking networks: accuracy, firing rates, synops and energy."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from bench.version import VERSION

if TYPE_CHECKING:
    from bench.energy.estimate import estimate_energy as estimate_energy
    from bench.energy.table import load_table as load_table
    from bench.errors import BenchError as BenchError
    from bench.execute.suites import run_suite as run_suite
    from bench.measure.counting.count import count_operations as count_operations
    from bench.models.build import build_model as build_model
    from bench.nir.read import from_nir as from_nir
    from bench.records.early import first_timesteps as first_timesteps
    from bench.records.record import RunRecord as RunRecord
    from bench.report.page import render_report as render_report
    from bench.suite.load import Suite as Suite
    from bench.suite.load import load_suite as load_suite

__version__ = VERSION

# Resolved on first use, so that `import bench` and the verbs that train nothing never wait for torch.
_EXPORTS = {
    "BenchError": "bench.errors",
    "RunRecord": "bench.records.record",
    "Suite": "bench.suite.load",
    "build_model": "bench.models.build",
    "count_operations": "bench.measure.counting.count",
    "estimate_energy": "bench.energy.estimate",
    "first_timesteps": "bench.records.early",
    "from_nir": "bench.nir.read",
    "load_suite": "bench.suite.load",
    "load_table": "bench.energy.table",
    "render_report": "bench.report.page",
    "run_suite": "bench.execute.suites",
}
_SUBMODULES = ("neurons", "models", "encoders")

__all__ = ["__version__", *_EXPORTS]


def __dir__() -> list[str]:
    return sorted({*(name for name in globals() if name.startswith("__")), *__all__, *_SUBMODULES})


def __getattr__(name: str) -> Any:
    if name in _EXPORTS:
        return getattr(importlib.import_module(_EXPORTS[name]), name)
    if name in _SUBMODULES:
        return importlib.import_module(f"bench.{name}")
    raise AttributeError(f"module 'bench' has no attribute '{name}'")
