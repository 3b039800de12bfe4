"""Which operands meet in a network's contractions: whether it is spike-driven, that is without products of values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from bench.records.counts import Counts, LayerCount

Operands = Literal[
    "binary x weight",
    "ternary x weight",
    "integer x weight",
    "spike x spike",
    "integer x spike",
    "spike x value",
    "float",
]
OPERANDS: tuple[Operands, ...] = (
    *("binary x weight", "ternary x weight", "integer x weight"),
    *("spike x spike", "integer x spike", "spike x value", "float"),
)
_WITH_WEIGHTS: dict[str, Operands] = {
    "binary": "binary x weight",
    "ternary": "ternary x weight",
    "graded": "integer x weight",
    "analog": "float",
}


def operands_of(layer: LayerCount) -> Operands:
    """Return what meets in a contraction; a graded spike is an integer number of spikes."""
    if layer.second_kind is None:
        return _WITH_WEIGHTS[layer.input_kind]
    kinds = {layer.input_kind, layer.second_kind}
    if "analog" in kinds:
        return "float" if kinds == {"analog"} else "spike x value"
    return "integer x spike" if "graded" in kinds else "spike x spike"


@dataclass(frozen=True)
class Audit:
    """Of the network: its word, and the share of each kind of contraction in dense MACs and in effective operations."""

    word: str
    dense: Mapping[Operands, float]
    effective: Mapping[Operands, float]


def audit(counts: Counts) -> Audit:
    """Return the audit of a network.

    Its word: "spike-driven" where all contractions are of spikes, "spike-driven with integers" where some of those are
    summed or pooled, "spike-driven behind its input" where only the layers that see the network's own input multiply
    values, "hybrid" where others do too, "conventional" where all do, "none" without any contraction, "not known" where
    some were not counted.
    """
    found = [(layer, operands_of(layer)) for layer in counts.layers]
    missing = counts.not_counted if counts.synapses_not_counted is None else counts.synapses_not_counted
    return Audit(
        "not known" if missing else _word(found),
        _shares([(operands, layer.dense_macs_per_sample) for layer, operands in found]),
        _shares([(operands, layer.effective_synops_per_sample) for layer, operands in found]),
    )


def _word(found: list[tuple[LayerCount, Operands]]) -> str:
    floats = [layer for layer, operands in found if operands == "float"]
    if not found:
        return "none"
    if len(floats) == len(found):
        return "conventional"
    if any(not layer.network_input for layer in floats):
        return "hybrid"
    integers = any(operands.startswith("integer") for _, operands in found)
    word = "spike-driven with integers" if integers else "spike-driven"
    return f"{word} behind its input" if floats else word


def _shares(parts: list[tuple[Operands, float]]) -> dict[Operands, float]:
    total = sum(count for _, count in parts)
    sums = {operands: sum(count for each, count in parts if each == operands) for operands in OPERANDS}
    return {operands: count / total for operands, count in sums.items() if total and count}
