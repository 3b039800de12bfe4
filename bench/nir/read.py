"""A NIR graph, from memory or a file, as a network of this package."""

from __future__ import annotations

import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from torch import nn

from bench.errors import BenchError, in_one_line
from bench.nir.network import Network
from bench.nir.nodes import READERS, UNDERSTOOD, Grid
from bench.nir.package import nir_library

# What nir, h5py and torch raise of a graph that makes no sense.
_MALFORMED = (OSError, LookupError, ValueError, TypeError, AttributeError, AssertionError, RuntimeError)


def from_nir(graph: Any, *, dt: float | None = None, dtype: torch.dtype = torch.float32) -> Network:
    """Return the network of a NIR graph: it maps x [T, N, ...] to what the graph's Output gets, [T, N, ...].

    graph: a nir.NIRGraph, or the path of a file.  dt: the time step, in the unit of the graph's time constants (mostly
    seconds); it goes before the `dt` of the graph's metadata.  dtype: of weights and states.

    Affine, Linear and convolutions become torch's layers over sequences, weights copied. Neurons become neurons of this
    package with NIR's equations by forward Euler, from v = 0 and i = 0, each with its own parameters: a spike is where
    v > v_threshold, not at it, and leads to v_reset. Edges that meet are added. A cycle through one neuron is run one
    timestep after another, its output coming back at the next. Average pooling counts what is padded.
    `bench.count_operations` counts the network.

    Raises BenchError where `nir` is not installed, for a file that is no graph, a node of a type that is not
    understood, a graph without one Input and one Output, a cycle of another kind, a node that needs a time step and has
    none, and for parameters that are of the wrong shape or value.
    """
    nir = nir_library()
    if isinstance(graph, str | Path):
        graph = _read(nir, Path(graph))
    if not isinstance(graph, nir.NIRGraph):
        raise BenchError(f"expected a nir.NIRGraph or a path, not {type(graph).__name__}")
    nodes, edges = _flat(nir, graph)
    _check_types((name, type(node).__name__) for name, node in nodes.items())
    grid = Grid(_time_step(graph, dt), dtype)
    entry, output = (_only(graph, kind) for kind in ("Input", "Output"))
    sources: dict[str, list[str]] = {name: [] for name in nodes}
    for source, target in edges:
        if unknown := [end for end in (source, target) if end not in nodes]:
            raise BenchError(f"an edge from '{source}' to '{target}': there is no node '{unknown[0]}'")
        sources[target].append(source)
    if sources[entry]:
        raise BenchError(f"node '{entry}': an Input that is fed by '{sources[entry][0]}' is not understood")
    modules = {name: _module(name, node, grid) for name, node in nodes.items()}
    shape = nodes[entry].input_type["input"]
    return Network(modules, sources, (entry, output), None if shape is None else tuple(int(size) for size in shape))


def _module(name: str, node: Any, grid: Grid) -> nn.Module | None:
    kind = type(node).__name__
    if kind in ("Input", "Output"):
        return None
    try:
        return READERS[kind](name, node, grid)
    except _MALFORMED as error:
        raise BenchError(f"node '{name}' ({kind}): {in_one_line(error)}") from error


def _read(nir: Any, path: Path) -> Any:
    import h5py

    try:
        with h5py.File(path) as file:
            _check_types(_types(h5py, file["node"], ""))
        return nir.read(path, type_check=False)
    except FileNotFoundError as error:
        raise BenchError(f"{path}: no such file") from error
    except _MALFORMED as error:
        raise BenchError(f"{path}: is not a NIR graph: {in_one_line(error)}") from error


def _types(h5py: Any, node: Any, name: str) -> Iterable[tuple[str, str]]:
    """Yield the name and the type of every node of a file, so that one that nir does not know is named."""
    kind = node["type"][()]
    yield name, kind.decode() if isinstance(kind, bytes) else str(kind)
    for child in node["nodes"] if "nodes" in node else ():
        yield from _types(h5py, node["nodes"][child], f"{name}/{child}" if name else child)


def _check_types(nodes: Iterable[tuple[str, str]]) -> None:
    if strange := [f"'{name}' ({kind})" for name, kind in nodes if kind not in UNDERSTOOD]:
        raise BenchError(f"nodes that are not understood: {', '.join(strange)}; understood: {', '.join(UNDERSTOOD)}")


def _flat(nir: Any, graph: Any, prefix: str = "") -> tuple[dict[str, Any], list[tuple[str, str]]]:
    """Return the nodes and edges of a graph, those of graphs in it too, whose own Inputs and Outputs hand on."""
    nodes: dict[str, Any] = {}
    edges: list[tuple[str, str]] = []
    into: dict[str, str] = {}
    out_of: dict[str, str] = {}
    for name, node in graph.nodes.items():
        full = prefix + name
        if isinstance(node, nir.NIRGraph):
            inner, more = _flat(nir, node, f"{full}/")
            nodes |= inner
            edges += more
            into[full], out_of[full] = (f"{full}/{_only(node, kind, full)}" for kind in ("Input", "Output"))
        else:
            nodes[full] = node
    for source, target in graph.edges:
        source, target = prefix + source, prefix + target
        edges.append((out_of.get(source, source), into.get(target, target)))
    return nodes, edges


def _only(graph: Any, kind: str, name: str = "") -> str:
    """Return the name of the graph's one Input or Output."""
    found = [key for key, node in graph.nodes.items() if type(node).__name__ == kind]
    if len(found) != 1:
        where = f"graph '{name}'" if name else "the graph"
        raise BenchError(f"{where} should have one {kind}, not {len(found)}")
    return found[0]


def _time_step(graph: Any, dt: float | None) -> float | None:
    given = graph.metadata.get("dt") if dt is None else dt
    if given is None:
        return None
    try:
        step = float(given)
    except (TypeError, ValueError) as error:
        raise BenchError(f"dt should be a number, not {str(given)[:40]!r}") from error
    if not 0 < step < math.inf:
        raise BenchError(f"dt should be above 0, not {step}")
    return step
