"""The energy of the Spike-driven Transformer and of what follows it: firing rate x T x FLOPs."""

from __future__ import annotations

from bench.energy.conventions.base import (
    HOROWITZ_FP32,
    SOURCE,
    Charge,
    Convention,
    Estimate,
    not_counted,
    spikes,
    steps_of,
    without_first,
)
from bench.records.counts import Counts, LayerCount


class SpikeDrivenTransformer(Convention):
    """E = 4.6 pJ T FL1 R0 + 0.9 pJ sum over later layers of T FL R; an ANN: 4.6 pJ FL; FL: dense MACs of one pass."""

    name = "sdt"
    title = "Spike-driven Transformer (Yao et al., NeurIPS 2023)"
    source = (
        "M. Yao et al., Spike-driven Transformer, arXiv:2307.01694; table S1 of the supplement of M. Yao et al., "
        "Attention Spiking Neural Networks, to which its authors refer; rates as firing_num.py of "
        "github.com/BICLab/Spike-Driven-Transformer"
    )
    status = f"{SOURCE} (table S1, definition of FL, firing_num.py; table 1 of the paper itself was not at hand)"
    formula = (
        "E = 4.6 pJ x T x FL x R0 for the first layer + 0.9 pJ x T x FL x R for each later one; FL: k^2 x output size "
        "x input and output channels, padding included; an ANN: 4.6 pJ x FL"
    )
    rate = "share of a layer's inputs that are not zero, mean over T; 1 for the images of a first layer"
    errors = (
        "a rate times dense operations charges spikes at the border for taps that do not exist",
        "batch norms, neurons, pooling, residual sums, biases, memory and readout cost nothing",
    )
    not_in_number = (
        "firing_num.py adds the rates of all batches and divides by one less than their number, so that published "
        "rates are higher by n / (n - 1)",
        "attention has formulas of its own, which counts do not give",
    )

    def estimate(self, counts: Counts) -> Estimate:
        """Charge the first layer of a spiking network MACs at every timestep, every later one ACs by its rate."""
        unknown = without_first(counts, HOROWITZ_FP32)
        if unknown is not None:
            return unknown
        missing, spiking = not_counted(counts), spikes(counts)
        charges = []
        for layer in counts.layers:
            if layer.second_kind is not None:
                missing.append(f"{layer.name}: a product of activations")
            charges.append(None if layer.second_kind is not None else _charge(layer, spiking))
        steps = steps_of(counts.layers, charges, HOROWITZ_FP32, "rate × dense")
        return Estimate(HOROWITZ_FP32, tuple(charges), steps, tuple(missing))


def _charge(layer: LayerCount, spiking: bool) -> Charge:
    dense, times = layer.dense_macs_per_sample, float(layer.timesteps)
    if not spiking:
        return Charge(layer.name, "mac", dense, dense, times)
    if layer.network_input:
        rate = 1.0 if layer.input_kind == "analog" else layer.input_density_fraction
        return Charge(layer.name, "mac", dense * rate, dense * rate, times, rate)
    rate = layer.input_density_fraction
    return Charge(layer.name, "ac", dense * rate, dense * rate, times, rate)
