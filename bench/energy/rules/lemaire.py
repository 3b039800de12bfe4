"""The operations and memory accesses of Lemaire et al. (ICONIP 2022, arXiv:2210.13107), term by term.

With theta the spikes per sample over all T timesteps, Hk x Wk the kernel, S the stride, C per group:

    spiking conv   AC theta_in ceil(Hk/S) ceil(Wk/S) Cout; weights read, potentials read and written theta_in Cout Hk Wk
                   each; spikes read theta_in; addressing 2 theta_in MAC, theta_in Cout Hk Wk AC
    spiking linear AC, weights, potentials and addressing theta_in Nout each, spikes read theta_in
    its neurons    leak T N MAC; reset theta_out AC; potentials read and written T N each; spikes written theta_out
    analog         times T: MAC, weights and inputs read Cout Ho Wo Cin Hk Wk (linear: Nin Nout, inputs Nin); outputs
                   written Cout Ho Wo; addressing AC Cin Hi Wi + Cout Ho Wo + Cout Hk Wk (linear: Nin + Nout)
    bias           read, and added, once per output and timestep

The terms of its neurons are charged where the neurons are: after an analog layer or a residual sum as well, and not
after a readout that has none. Their leak and reset are LIF's; another neuron adds its traced operations minus LIF's
and T N reads and writes for each further state word. A transposed convolution, which the paper does not have, is one
of stride 1, since every input meets the whole kernel. The formulas were read in public code that implements them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from bench.energy.memory import Memory
from bench.energy.rules.base import Rule
from bench.energy.work import Access, Work, accumulates, bias_words, synops
from bench.records.counts import LayerCount, NeuronCount

# One update of u = a v + x; s = [u >= theta]; v = u - theta s, as counting traces it: a v is a product, or a shift.
LIF_OPERATIONS = {"select": 1.0, "add": 1.0, "sub": 1.0, "compare": 1.0}


class Lemaire(Rule):
    """Lemaire et al. 2022: the published terms of synaptic layers and of their neurons, addressing among them."""

    name = "lemaire"
    addressing = True
    operations_beside_updates = True

    def layer(self, layer: LayerCount, zero_skipping: bool, memory: Memory) -> Work:
        """Return the terms of a synaptic layer: the paper's spiking ones, or its conventional ones times T."""
        kernel, outputs = math.prod(layer.weight_shape), math.prod(layer.output_shape)
        bias = (Access("bias", outputs * layer.timesteps, bias_words(layer)),) if layer.has_bias else ()
        if layer.input_kind == "analog":
            return _analog(layer, zero_skipping, kernel, outputs, bias)
        spikes = layer.input_nonzero_total / layer.samples
        pairs = layer.effective_synops_per_sample
        if layer.second_kind:  # the paper has no products of activations: one addition and one address a pair
            return Work({"ac": accumulates(layer)}, (), {"ac": pairs}, per_spike={"ac": accumulates(layer)})
        kept = synops(layer, zero_skipping) / pairs if pairs else 1.0  # of the pairs, those without zero weights
        met = spikes * _fan_out(layer) * kept
        levels = accumulates(layer) / pairs if pairs else 1.0  # a graded spike is added once per level
        acs = spikes * _fan_out_by_stride(layer) * levels * kept
        accesses = (
            Access("input", spikes, memory.fifo_words, per_spike=True),
            Access("weight", met, kernel, per_spike=True),
            Access("potential", 2 * met, outputs, per_spike=True),
            *bias,
        )
        addressing = {"ac": met} if layer.kind == "linear" else {"mac": 2 * spikes, "ac": met}
        return Work({"ac": acs}, accesses, addressing, per_spike={"ac": acs})

    def neuron(self, neuron: NeuronCount, memory: Memory) -> Work:
        """Return the terms of a neuron layer; of one that does not spike only its traced operations."""
        updates, spikes = neuron.units * neuron.timesteps, neuron.spikes_per_sample
        traced = neuron.ops_per_update
        if not neuron.spiking:
            return Work({name: count * updates for name, count in traced.items()})
        lif = _lif_operations(traced)
        extra = {
            name: (traced.get(name, 0.0) - lif.get(name, 0.0)) * updates for name in dict.fromkeys([*lif, *traced])
        }
        operations = {"mac": float(updates), "ac": spikes} | {name: count for name, count in extra.items() if count}
        accesses = (
            Access("state", 2 * updates * max(1, neuron.state_words), neuron.units),
            Access("output", spikes, memory.fifo_words, per_spike=True),
        )
        return Work(operations, accesses, per_spike={"ac": spikes})


def _lif_operations(traced: Mapping[str, float]) -> dict[str, float]:
    """Return a LIF's operations with the leak that a neuron has: the paper's MAC stands for it either way.

    Older records have the product with a spike as a multiplication, and the subtraction behind it.
    """
    if traced.get("sub") and not {"select", "shift", "logic"} & set(traced):
        return {"mul": 2.0, "add": 1.0, "sub": 1.0, "compare": 1.0}
    return LIF_OPERATIONS | {"shift" if traced.get("shift") else "mul": 1.0}


def _analog(layer: LayerCount, zero_skipping: bool, kernel: int, outputs: int, bias: tuple[Access, ...]) -> Work:
    linear, inputs = layer.kind == "linear", math.prod(layer.input_shape)
    macs = synops(layer, True) if zero_skipping else layer.dense_macs_per_sample
    read = macs
    if linear:
        read = layer.input_nonzero_total / layer.samples if zero_skipping else inputs * layer.timesteps
    accesses = (
        Access("input", read, inputs),
        Access("weight", macs, kernel),
        Access("output", outputs * layer.timesteps, outputs),
        *bias,
    )
    addressed = inputs + outputs + (0 if linear else layer.output_shape[0] * math.prod(layer.weight_shape[2:]))
    return Work({"mac": macs}, accesses, {"ac": float(addressed * layer.timesteps)})


def _fan_out(layer: LayerCount) -> int:
    return _outputs_per_group(layer) * math.prod(_kernel(layer))


def _fan_out_by_stride(layer: LayerCount) -> int:
    stride = layer.stride if layer.kind.startswith("conv") and not _transposed(layer) else (1,) * len(_kernel(layer))
    taps = [math.ceil(size / step) for size, step in zip(_kernel(layer), stride, strict=True)]
    return _outputs_per_group(layer) * math.prod(taps)


def _kernel(layer: LayerCount) -> tuple[int, ...]:
    return layer.weight_shape[2:]


def _outputs_per_group(layer: LayerCount) -> int:
    return layer.weight_shape[1] if _transposed(layer) else layer.weight_shape[0] // layer.groups


def _transposed(layer: LayerCount) -> bool:
    return layer.kind.startswith("conv_transpose")
