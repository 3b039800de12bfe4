"""The `nir` package, which is imported only when somebody reads or writes a graph."""

from __future__ import annotations

from typing import Any

from bench.errors import BenchError


def nir_library() -> Any:
    """Return the `nir` package. Raises BenchError where it is not installed."""
    try:
        import nir
    except ImportError as error:
        raise BenchError("NIR graphs need the package nir: pip install spikebench[nir]") from error
    return nir
