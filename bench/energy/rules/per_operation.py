"""The rule `per-operation`: every operand of every operation is fetched, every result written."""

from __future__ import annotations

import math

from bench.energy.memory import Memory
from bench.energy.rules.base import Rule
from bench.energy.work import Access, Work, accumulates, bias_words, synops, weights_fetched
from bench.records.counts import LayerCount, NeuronCount


class PerOperation(Rule):
    """Every operation reads its operands from memory, and every result is written; nothing is reused."""

    name = "per-operation"

    def layer(self, layer: LayerCount, zero_skipping: bool, memory: Memory) -> Work:
        """Return the work of a synaptic layer where every operation reads its operands, and nothing is reused.

        An accumulate of a spike reads its weight and reads and writes the potential that it changes; a spike is read
        once per synaptic layer. A MAC reads its weight and its input and keeps its sum in a register; every output is
        written. Each bias is read per output and timestep, and each weight fetched (`load`) once per sample.
        """
        kernel, outputs = math.prod(layer.weight_shape), math.prod(layer.output_shape)
        fetched = weights_fetched(layer, zero_skipping)
        fixed = [] if layer.second_kind else [Access("load", fetched, kernel)]  # activations are not fetched
        if layer.has_bias:
            fixed.append(Access("bias", outputs * layer.timesteps, bias_words(layer)))
        if layer.input_kind == "analog":
            macs = synops(layer, True) if zero_skipping else layer.dense_macs_per_sample
            accesses = [
                Access("weight", macs, kernel),
                Access("input", macs, math.prod(layer.input_shape)),
                Access("output", outputs * layer.timesteps, outputs),
            ]
            return Work({"mac": macs}, (*accesses, *fixed))
        met, acs = synops(layer, zero_skipping), accumulates(layer, zero_skipping)
        accesses = [
            Access("weight", met, kernel, per_spike=True),
            Access("input", layer.input_nonzero_total / layer.samples, math.prod(layer.input_shape), per_spike=True),
            Access("potential", 2 * met, outputs, per_spike=True),
        ]
        return Work({"ac": acs}, (*accesses, *fixed), per_spike={"ac": acs})

    def neuron(self, neuron: NeuronCount, memory: Memory) -> Work:
        """Return the work of a neuron layer: its traced operations, its state read and written at every timestep.

        The state is also cleared, which is written once, before a sample. Every spike is written once; what a neuron
        without state puts out is written by its layer.
        """
        updates = neuron.units * neuron.timesteps
        operations = {name: count * updates for name, count in neuron.ops_per_update.items()}
        if not neuron.spiking:
            return Work(operations)
        words = neuron.units * neuron.state_words
        state = Access("state", 2 * updates * neuron.state_words + neuron.resets_per_sample, words)
        return Work(operations, (state, Access("output", neuron.spikes_per_sample, neuron.units, per_spike=True)))
