"""SpikingJelly's models of two accelerators, SpikeSim and NeuroMC, from our counts alone.

They are other machines than any table of ours is of: what a cause says is what their model charges and ours does not.
"""

import math

from support.conforming.causes import access, energy, sizes
from support.conforming.horowitz import DRAM
from support.conforming.lemaire import without_readout

CROSSBAR = 64  # rows and columns of one crossbar of SpikeSim's
# Picojoule of one cycle of a crossbar besides its cells, at 65 nm: H-tree, fetch, tile buffer, subtraction, buffer,
# converters and multiplexers, neuron.
CYCLE = 19.64 * 8 + 4.64 + 397 + 128 * 1.15e-6 + 8 * 0.2 + 64 * (2.03084 + 0.094245) + 1.274 * 4
CELLS = 8 * 1.76423  # of one tap of a kernel

# NeuroMC, picojoule at 32 nm: operations, registers of 16 and 1 bits, and its memories, each for one word of 16 bits
# (of spikes: 1 bit).
ADD16, MUL16, COMPARE, MUX = 0.548, 0.812, 0.056, 0.548 / 16
REGISTER, REGISTER_BIT = 0.14416 / 7.1 * 2, 0.00901 / 7.1 * 2
SPIKES, WEIGHTS, SUMS = 0.44854798, 5.302477904, 5.792676768
POTENTIALS, OUT = 92.68282828 / 16, 7.176767677 / 16


def to_spikesim(drawn):
    """The causes between our table `lemaire` and SpikeSim's dense cycles."""
    ours = energy(drawn, "lemaire")
    outside, inside, cycles = ours.total_pj_per_sample, 0.0, 0.0
    for x, own in zip(sizes(drawn), ours.layers, strict=True):
        if x.linear:
            continue
        bias = bool(x.bias) * x.updates * access("lemaire")(x.bias or 1)
        inside += own.pj_per_sample + own.memory_pj_per_sample + own.addressing_pj_per_sample - bias
        tiles = math.ceil(x.layer.weight_shape[1] / CROSSBAR) * math.ceil(x.channels / CROSSBAR)
        positions = x.updates / x.channels
        cycles += positions * tiles * (CYCLE + CELLS * x.taps)
    return {
        "linear layers, biases, neurons and readout: left out": inside - outside,
        "convolutions: a cycle of a crossbar at every output position, whatever spikes": cycles - inside,
    }


def to_neuromc(drawn):
    """The causes between our table `horowitz-memory` and the forward pass of NeuroMC."""
    table, layers = "horowitz-memory", sizes(drawn)
    ours, e = energy(drawn, table), access(table)
    loads, biases, zeros, synapses, dense_ours = 0.0, -ours.bias_pj_per_sample, 0.0, 0.0, 0.0
    for x, own in zip(layers, ours.layers, strict=True):
        loads -= x.weights * DRAM
        bias = bool(x.bias) * x.updates * e(x.bias or 1)
        biases -= bias
        charged = own.pj_per_sample + own.memory_pj_per_sample - x.weights * DRAM - bias
        extra = 0.0 if x.analog else (x.macs - x.synops) * (0.9 + e(x.weights) + 2 * e(x.outputs))
        zeros += extra
        dense_ours += charged + extra
        synapses += mapped(x, drawn.samples)
    state = sum((2 * x.updates + x.outputs + x.spikes_out) * e(x.outputs) for x in layers if x.spiking)
    neurons = sum(x.updates for x in layers if x.spiking) * updated() - ours.neuron_pj_per_sample - state
    return {
        "readout: not charged": without_readout(drawn, table),
        "biases: neither read nor added": biases,
        "weights: not loaded from DRAM": loads,
        "zeros: not skipped by spikes": zeros,
        "neurons: 16 bits at 32 nm, with masks of the training": neurons,
        "synapses: 16 bits at 32 nm, 16 inputs summed at a time between registers and SRAM": synapses - dense_ours,
    }


def mapped(x, samples):
    """One layer by NeuroMC: every operation, spikes or none; weights are read once a call, of all samples."""
    cost, bits, source = (ADD16 + MUX, REGISTER_BIT, SPIKES) if not x.analog else (ADD16 + MUL16, REGISTER, WEIGHTS)
    chunks = math.ceil(x.layer.weight_shape[1] / 16) * x.taps
    partial, streamed = x.updates * (chunks - 1), x.updates * chunks
    registers = 2 * x.macs * bits + (3 * x.macs - x.updates + partial) * REGISTER
    weights = x.weights / samples * (2 * REGISTER + WEIGHTS)
    return x.macs * cost + registers + weights + streamed * (source + SUMS) + partial * SUMS


def updated():
    """One update of one neuron by NeuroMC: operations, its input, its potential, its spike, and a mask it writes."""
    operations = MUX + ADD16 + MUL16 + 3 * COMPARE
    words = 2 * (REGISTER + SUMS) + 2 * (REGISTER + POTENTIALS)
    return operations + words + 3 * (REGISTER_BIT + OUT)
