"""The energy of Spikformer: SOPs = firing rate x T x FLOPs, the first layer once."""

from __future__ import annotations

import math

from bench.energy.conventions.base import (
    HOROWITZ_FP32,
    SECOND_HAND,
    Charge,
    Convention,
    Estimate,
    not_counted,
    spikes,
    steps_of,
    without_first,
)
from bench.records.counts import Counts, LayerCount


class Spikformer(Convention):
    """E = 4.6 pJ FLOPs of the first layer, once, + 0.9 pJ sum of SOPs, SOPs = rate T FLOPs; an ANN: 4.6 pJ FLOPs."""

    name = "spikformer"
    title = "Spikformer (Zhou et al., ICLR 2023)"
    source = (
        "Z. Zhou et al., Spikformer, arXiv:2209.15425; the formula as quoted in the appendix of arXiv:2403.18228; the "
        "code that its authors name for it, energy_consumption_calculation of "
        "github.com/zhouchenlin2096/Spikingformer"
    )
    status = f"{SECOND_HAND} (as others quote it; the code was read, and differs as said below)"
    formula = (
        "E = 4.6 pJ x FLOPs of the first layer + 0.9 pJ x sum of SOPs of the later ones, SOPs = rate x T x FLOPs; "
        "FLOPs: dense MACs of one pass, padding included; an ANN: 4.6 pJ x FLOPs"
    )
    rate = "mean of a layer's input spikes, over T: of summed or pooled spikes the mean of their values"
    errors = (
        "the first layer is charged for one timestep",
        "a rate times dense operations charges spikes at the border for taps that do not exist",
        "batch norms, neurons, pooling, residual sums, biases, memory and readout cost nothing",
    )
    not_in_number = (
        "the code that the authors name charges the first layer at every timestep, adds biases, charges what is not 0 "
        "or 1 as MACs and a readout behind the mean over time as MACs, once: its published example of 0.347329512 G "
        "MACs is 4 x 86.704128 M + 0.513 M",
    )

    def estimate(self, counts: Counts) -> Estimate:
        """Charge the first layer of a spiking network MACs once, every later one ACs by the mean of its spikes."""
        unknown = without_first(counts, HOROWITZ_FP32)
        if unknown is not None:
            return unknown
        missing, spiking = not_counted(counts), spikes(counts)
        charges = [_charge(layer, spiking) for layer in counts.layers]
        for layer, charge in zip(counts.layers, charges, strict=True):
            if charge is None:
                missing.append(f"{layer.name}: {_why_not(layer)}")
        steps = steps_of(counts.layers, charges, HOROWITZ_FP32, "rate × dense")
        return Estimate(HOROWITZ_FP32, tuple(charges), steps, tuple(missing))


def _charge(layer: LayerCount, spiking: bool) -> Charge | None:
    dense, times = layer.dense_macs_per_sample, float(layer.timesteps)
    if layer.second_kind is not None:
        return None
    if not spiking:
        return Charge(layer.name, "mac", dense, dense, times)
    if layer.network_input:
        return Charge(layer.name, "mac", dense / times, dense, 1.0)
    rate = _mean_input(layer)
    return None if rate is None else Charge(layer.name, "ac", dense * rate, dense * rate, times, rate)


def _mean_input(layer: LayerCount) -> float | None:
    """Return the mean of the input spikes; of graded ones only a linear layer's counts tell it."""
    if layer.input_kind == "binary":
        return layer.input_density_fraction
    if layer.input_kind == "graded" and layer.kind == "linear" and layer.graded_acs_total is not None:
        levels = layer.graded_acs_total / layer.weight_shape[0]  # each level of an input meets every output
        inputs = layer.samples * layer.timesteps * math.prod(layer.input_shape)
        return levels * (1.0 if layer.input_unit is None else layer.input_unit) / inputs
    return None


def _why_not(layer: LayerCount) -> str:
    if layer.second_kind is not None:
        return "a product of activations, whose rate counts do not give"
    if layer.input_kind == "graded":
        return "the mean of its summed or pooled input spikes, of which counts tell how many are not zero"
    return f"its input is {layer.input_kind}, no spikes, and has no firing rate"
