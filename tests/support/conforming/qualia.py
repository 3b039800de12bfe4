"""Qualia's energy model as formulas: Lemaire et al. 2022 by its co-authors, per layer and inference, in picojoule.

The equations are those that the docstrings of EnergyEstimationMetric.py state (github.com/LEAT-EDGE/qualia-plugin-snn,
commit 4ded31e, AGPL-3.0: nothing of its code is here), with what its code does where that is said to differ. 32-bit
words, queues of 1,000 words, spiking layers with their neurons, `theta` spikes per inference.
"""

import math

COMMIT = "4ded31e"
ADD, MUL = 0.1, 3.1
MAC = ADD + MUL
FIFO = 1000


def memory(words):
    """One access to a memory of so many 32-bit words: a regression through Horowitz's three sizes."""
    return 1.09e-5 * words * 32 + 13.2


def qualia(counts, formal):
    """The energy of one inference of a chain of layers, each with the neurons behind it or none.

    counts: `bench.records.counts.Counts` of such a chain; its shapes, spikes, densities and neurons are read, and
    nothing that was priced.  formal: whether it is a network without spiking neurons.
    """
    if formal:
        return sum(formal_layer(layer) for layer in counts.layers)
    behind = [*counts.neurons, *[None] * (len(counts.layers) - len(counts.neurons))]
    return sum(spiking_layer(layer, neuron) for layer, neuron in zip(counts.layers, behind, strict=True))


def shapes(layer):
    """Inputs, outputs, output channels, taps of a kernel, and words of its weights and biases."""
    cout, taps = layer.weight_shape[0], math.prod(layer.weight_shape[2:])
    words = math.prod(layer.weight_shape)
    return math.prod(layer.input_shape), math.prod(layer.output_shape), cout, taps, words, cout * layer.has_bias


def formal_layer(layer):
    """Equations 1.1, 1.2, 3, 6.1, 11 of a convolution, 2.1, 2.2, 4, 6.2, 12 of a linear layer, and addressing."""
    inputs, outputs, cout, taps, words, bias = shapes(layer)
    linear = layer.kind == "linear"
    macs = inputs * outputs if linear else outputs * layer.weight_shape[1] * taps
    read = (inputs if linear else macs) * memory(inputs) + macs * memory(words)
    read += outputs * memory(bias) if bias else 0.0
    addresses = inputs * outputs if linear else inputs + outputs + cout * taps  # 17: Nin x Nout
    return read + outputs * memory(outputs) + macs * MAC + outputs * ADD + addresses * ADD


def spiking_layer(layer, neuron):
    """Equations 1.3, 1.4, 5, 7, 9, 13, 14, 16 of a convolution, 2.3, 2.4, 8, 10, 15, 17 of a linear layer.

    Its code leaves Cout out of equation 16.3 and takes the rate of an input, not its spikes, in equation 17.2.
    """
    inputs, outputs, cout, taps, words, bias = shapes(layer)
    steps, linear = layer.timesteps, layer.kind == "linear"
    theta, out = layer.input_nonzero_total / layer.samples, neuron.spikes_per_sample if neuron else 0.0
    leak = neuron is not None and neuron.neuron == "lif"
    met = theta * outputs if linear else theta * cout * taps
    fixed = steps * outputs * memory(bias) if bias else 0.0
    fixed += 2 * (met + steps * outputs) * memory(outputs) + out * memory(FIFO)
    if layer.input_kind == "analog":
        rate = theta / inputs / steps
        return fixed + images(layer, rate) + leak * outputs * MUL + out * ADD
    if linear:
        accumulates, addresses = theta * outputs, theta / inputs * outputs * ADD
    else:
        by_stride = math.prod(math.ceil(k / s) for k, s in zip(layer.weight_shape[2:], layer.stride, strict=True))
        accumulates, addresses = theta * by_stride * cout, 2 * theta * MAC + theta * taps * ADD
    read = theta * memory(FIFO) + met * memory(words)
    operations = leak * steps * outputs * MAC + (accumulates + steps * outputs + out) * ADD
    return fixed + read + operations + addresses


def images(layer, rate):
    """A layer of a spiking network that sees no spikes: reads of inputs and weights, operations and addresses.

    rate: share of its inputs that are not 0, of one timestep. All is of one timestep but the weights of a linear layer.
    """
    inputs, outputs, cout, taps, words, _ = shapes(layer)
    theta = rate * inputs
    if layer.kind == "linear":
        read = inputs * memory(inputs) + theta * layer.timesteps * outputs * memory(words)
        return read + inputs * outputs * (MAC + ADD) + outputs * ADD
    macs = outputs * layer.weight_shape[1] * taps
    read = theta * memory(FIFO) + theta * cout * taps * memory(words)
    return read + rate * (macs * MAC + outputs * ADD) + 2 * theta * MAC + theta * taps * ADD
