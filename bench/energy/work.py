"""What a network has to do per sample, in operations and memory accesses, before anything is priced.

Synaptic layers by the kind of their input: binary and ternary, one AC per effective synop; graded, as many ACs per
synop as its input has levels; analog, one MAC per dense MAC or, zero-skipping, per effective synop.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from bench.energy.memory import Purpose
from bench.record import LayerCount, NeuronCount


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


def layer_work(layer: LayerCount, zero_skipping: bool) -> Work:
    """Return the work of a synaptic layer where every operation reads its operands, and nothing is reused.

    An accumulate of a spike reads its weight and reads and writes the potential that it changes; a spike is read
    once per synaptic layer. A MAC reads its weight and its input and keeps its sum in a register; every output is
    written. Each bias is read per output and timestep, and each weight fetched (`load`) once per sample.
    """
    kernel, outputs = math.prod(layer.weight_shape), math.prod(layer.output_shape)
    fixed = [Access("load", kernel, kernel)]
    if layer.has_bias:
        fixed.append(Access("bias", outputs * layer.timesteps, bias_words(layer)))
    if layer.input_kind == "analog":
        macs = layer.effective_synops_per_sample if zero_skipping else layer.dense_macs_per_sample
        accesses = [
            Access("weight", macs, kernel),
            Access("input", macs, math.prod(layer.input_shape)),
            Access("output", outputs * layer.timesteps, outputs),
        ]
        return Work({"mac": macs}, (*accesses, *fixed))
    synops, acs = layer.effective_synops_per_sample, accumulates(layer)
    accesses = [
        Access("weight", synops, kernel, per_spike=True),
        Access("input", layer.input_nonzero_total / layer.samples, math.prod(layer.input_shape), per_spike=True),
        Access("potential", 2 * synops, outputs, per_spike=True),
    ]
    return Work({"ac": acs}, (*accesses, *fixed), per_spike={"ac": acs})


def neuron_work(neuron: NeuronCount) -> Work:
    """Return the work of a neuron layer: its traced operations, its state read and written at every timestep.

    Every spike is written once; what a neuron without state puts out is written by its layer.
    """
    updates = neuron.units * neuron.timesteps
    operations = {name: count * updates for name, count in neuron.ops_per_update.items()}
    if not neuron.spiking:
        return Work(operations)
    state = Access("state", 2 * updates * neuron.state_words, neuron.units * neuron.state_words)
    return Work(operations, (state, Access("output", neuron.spikes_per_sample, neuron.units, per_spike=True)))


def accumulates(layer: LayerCount) -> float:
    """Return the accumulates of a layer without analog input: one per synop, or per level where it is graded."""
    graded = layer.graded_acs_total
    return layer.effective_synops_per_sample if graded is None else graded / layer.samples


def bias_words(layer: LayerCount) -> int:
    """Return how many biases a layer has: one per output channel, or per output feature of a linear layer."""
    return layer.output_shape[-1] if layer.kind == "linear" else layer.output_shape[0]
