"""What a network has to do per sample, in operations and memory accesses, before anything is priced.

Synaptic layers by the kind of their input: binary and ternary, one AC per effective synop; graded, as many ACs per
synop as its input has levels; analog, one MAC per dense MAC or, zero-skipping, per effective synop. Zero-skipping,
weights that are zero are skipped as well, whatever the input.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from bench.energy.memory import Purpose
from bench.records.counts import LayerCount


@dataclass(frozen=True, slots=True)
class Access:
    """Accesses of one kind to one memory, per sample and summed over timesteps."""

    purpose: Purpose
    per_sample: float
    words: float  # the size of the memory, which decides the price of an access
    per_spike: bool = False  # whether their number is proportional to the spikes


@dataclass(frozen=True, slots=True)
class Work:
    """Operations and accesses of a layer or of its neurons, per sample and summed over timesteps."""

    operations: Mapping[str, float]
    accesses: tuple[Access, ...] = ()
    addressing: Mapping[str, float] = field(default_factory=dict)
    per_spike: Mapping[str, float] = field(default_factory=dict)  # those of `operations` that grow with the spikes


def synops(layer: LayerCount, zero_skipping: bool) -> float:
    """Return the (non-zero input, weight) pairs per sample; zero-skipping, those without zero weights."""
    without = layer.synops_without_zero_weights_total
    return without / layer.samples if zero_skipping and without is not None else layer.effective_synops_per_sample


def weights_fetched(layer: LayerCount, zero_skipping: bool) -> int:
    """Return how many weights there are to fetch; zero-skipping, those that are not zero."""
    return math.prod(layer.weight_shape) - (layer.zero_weights if zero_skipping else 0)


def accumulates(layer: LayerCount, zero_skipping: bool = False) -> float:
    """Return the accumulates of a layer without analog input: one per synop, or per level where it is graded.

    Zero-skipping, zero weights are taken to meet as many levels a synop as others do.
    """
    graded, every = layer.graded_acs_total, layer.effective_synops_per_sample
    met = synops(layer, zero_skipping)
    return met if graded is None or not every else graded / layer.samples * (met / every)


def bias_words(layer: LayerCount) -> int:
    """Return how many biases a layer has: one per output channel, or per output feature of a linear layer."""
    return layer.output_shape[-1] if layer.kind == "linear" else layer.output_shape[0]
