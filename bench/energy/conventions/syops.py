"""The energy of syops-counter, the tool that most spiking papers with code use."""

from __future__ import annotations

import math

from bench.energy.conventions.base import (
    HOROWITZ_FP32,
    SOURCE,
    Charge,
    Convention,
    Estimate,
    not_counted,
    steps_of,
)
from bench.records.counts import Counts, LayerCount, NeuronCount

NEURONS = ("if", "lif", "plif")  # those that it has a handler for
ACTIVATIONS = ("relu",)


class Syops(Convention):
    """E = 4.6 pJ MACs + 0.9 pJ ACs, by hooks: rate x dense ACs where all of an input is 0 or 1, else dense MACs."""

    name = "syops"
    title = "syops-counter 0.0.5"
    source = "syops/ops.py, engine.py and README of github.com/iCGY96/syops-counter"
    status = SOURCE
    formula = (
        "E = 4.6 pJ x MACs + 0.9 pJ x ACs; a convolution or linear layer: dense operations with padding and bias, as "
        "ACs times the mean of the input where it holds 0 and 1 alone, else as MACs; a batch norm 2 and a pool 1 per "
        "input likewise; IF, LIF and PLIF 1 AC per neuron and timestep; ReLU 1 MAC per output"
    )
    rate = "mean of the input of a layer where it holds 0 and 1 alone, else 1"
    errors = (
        "a rate times dense operations charges spikes at the border for taps that do not exist",
        "summed and pooled spikes, and those of -1, 0 and 1, are dense MACs",
        "neurons but IF, LIF and PLIF, CLIF among them, have no handler and cost nothing",
        "the leak of a neuron is no multiplication; residual sums, functions and memory cost nothing",
        "a transposed convolution is counted by its output's size",
    )
    not_in_number = (
        "0 and 1 alone is decided batch by batch, here for the whole test set",
        "the bias of a linear layer is added once per batch; batch norms that others fold are charged as MACs",
        "the batch is read from the first axis: inputs [T, N, ...] are divided by T in place of N",
    )

    def estimate(self, counts: Counts) -> Estimate:
        """Charge what counts hold; biases, batch norms and pools, of which they do not hold all, are missing."""
        charges = tuple(_charge(layer) for layer in counts.layers)
        steps = steps_of(counts.layers, charges, HOROWITZ_FP32, "rate × dense", {"neurons": _neurons(counts)})
        return Estimate(HOROWITZ_FP32, charges, steps, (*not_counted(counts), *_missing(counts)))


def _charge(layer: LayerCount) -> Charge | None:
    if layer.second_kind is not None or not layer.kind.startswith(("conv", "linear")):
        return None
    dense, times = _dense(layer), float(layer.timesteps)
    if layer.input_kind != "binary":
        return Charge(layer.name, "mac", dense, dense, times, 1.0)
    rate = layer.input_density_fraction
    return Charge(layer.name, "ac", dense * rate, dense * rate, times, rate)


def _dense(layer: LayerCount) -> float:
    if not layer.kind.startswith("conv_transpose"):
        return layer.dense_macs_per_sample
    pairs = math.prod(layer.weight_shape)  # input channels x outputs per group x kernel
    return pairs * math.prod(layer.output_shape[1:]) * float(layer.timesteps)


def _neurons(counts: Counts) -> float:
    return sum((_updates(neuron) for neuron in counts.neurons), 0.0)


def _updates(neuron: NeuronCount) -> float:
    updates = float(neuron.units * neuron.timesteps)
    if neuron.neuron in NEURONS:
        return HOROWITZ_FP32.of("ac", updates)
    return HOROWITZ_FP32.of("mac", updates) if neuron.neuron in ACTIVATIONS else 0.0


def _missing(counts: Counts) -> list[str]:
    found = []
    if any(layer.has_bias for layer in counts.layers):
        found.append(
            "biases and batch norms: counts do not tell a layer's own bias from a batch norm that was folded into it"
        )
    if any(other.column == "norm" for other in counts.other_ops):
        found.append("batch norms: counts hold only what of them does not fold")
    if any(other.column == "pooling" for other in counts.other_ops):
        found.append("pools: counts do not hold the size of what they see")
    return found
