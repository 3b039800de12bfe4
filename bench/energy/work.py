"""What a network has to do per sample, in operations and memory accesses, before anything is priced.

Synaptic layers by the kind of their input: binary and ternary, one AC per effective synop; graded, as many ACs per
synop as its input has levels; analog, one MAC per dense MAC or, zero-skipping, per effective synop.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from bench.energy.memory import Purpose
from bench.records.counts import LayerCount


@dataclass(frozen=True)
class Access:
    """Accesses of one kind to one memory, per sample and summed over timesteps."""

    purpose: Purpose
    per_sample: float
    words: float  # the size of the memory, which decides the price of an access
    per_spike: bool = False  # whether their number is proportional to the spikes


@dataclass(frozen=True)
class Work:
    """Operations and accesses of a layer or of its neurons, per sample and summed over timesteps."""

    operations: Mapping[str, float]
    accesses: tuple[Access, ...] = ()
    addressing: Mapping[str, float] = field(default_factory=dict)
    per_spike: Mapping[str, float] = field(default_factory=dict)  # those of `operations` that grow with the spikes


def accumulates(layer: LayerCount) -> float:
    """Return the accumulates of a layer without analog input: one per synop, or per level where it is graded."""
    graded = layer.graded_acs_total
    return layer.effective_synops_per_sample if graded is None else graded / layer.samples


def bias_words(layer: LayerCount) -> int:
    """Return how many biases a layer has: one per output channel, or per output feature of a linear layer."""
    return layer.output_shape[-1] if layer.kind == "linear" else layer.output_shape[0]
