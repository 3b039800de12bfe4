"""The operations of NeuroBench, at the prices that the field gives them: it has none."""

from __future__ import annotations

from bench.energy.conventions.base import (
    HOROWITZ_FP32,
    SOURCE,
    Charge,
    Convention,
    Estimate,
    not_counted,
    steps_of,
)
from bench.records.counts import Counts, LayerCount

HOOKED = ("linear", "conv1d", "conv2d", "conv3d")


class NeuroBench(Convention):
    """Effective MACs and ACs: non-zero inputs that meet non-zero weights; ACs where all of an input is -1, 0 or 1."""

    name = "neurobench"
    title = "NeuroBench 2 (SynapticOperations)"
    source = (
        "neurobench/metrics/workload/synaptic_operations.py and utils/layers of github.com/NeuroBench/neurobench; it "
        "has no energy: the prices, 4.6 and 0.9 pJ, are those that papers use"
    )
    status = f"{SOURCE} (the operations; the prices are no part of it)"
    formula = (
        "E = 4.6 pJ x effective MACs + 0.9 pJ x effective ACs; effective: pairs of a non-zero input and a non-zero "
        "weight in convolutions and linear layers, padding and bias left out; ACs where the whole input holds -1, 0 "
        "and 1 alone"
    )
    rate = "share of a layer's inputs that are not zero (it does not multiply by it, and counts pairs)"
    errors = (
        "ACs or MACs is decided for a whole tensor: one value of 2 makes MACs of all its spikes",
        "biases, batch norms, neurons, pooling, residual sums, transposed convolutions, products of activations and "
        "memory cost nothing",
    )
    not_in_number = ("ACs or MACs is decided call by call, here for the whole test set",)

    def estimate(self, counts: Counts) -> Estimate:
        """Charge every hooked layer its pairs of non-zero input and weight, MACs where it sees more than -1, 0, 1."""
        missing = not_counted(counts)
        missing += [
            f"{layer.name}: pairs with weights that are zero, which older counts do not tell apart"
            for layer in counts.layers
            if _hooked(layer) and layer.zero_weights and layer.synops_without_zero_weights_total is None
        ]
        charges = tuple(_charge(layer) for layer in counts.layers)
        steps = steps_of(counts.layers, charges, HOROWITZ_FP32, "zeros skipped")
        return Estimate(HOROWITZ_FP32, charges, steps, tuple(missing))


def _hooked(layer: LayerCount) -> bool:
    return layer.second_kind is None and layer.kind in HOOKED


def _charge(layer: LayerCount) -> Charge | None:
    if not _hooked(layer):
        return None
    without = layer.synops_without_zero_weights_total
    pairs = layer.effective_synops_per_sample if without is None else without / layer.samples
    rate, times = layer.input_density_fraction, float(layer.timesteps)
    return Charge(layer.name, "ac" if layer.input_kind in ("binary", "ternary") else "mac", pairs, pairs, times, rate)
