"""Operations and memory at Horowitz' prices by us and by SpikingJelly's simple model."""

from support.conforming.causes import access, energy, sizes
from support.conforming.lemaire import without_readout

AC = {"fp32": 0.9, "fp16": 0.4, "int8": 0.03}
WORD = 4 * 24.96  # picojoule of one access to 32 bits, whatever the memory
DRAM = 650.0  # our price of the one load of a weight


def operations_alike(drawn, table, neuron_acs, ac):
    """Biases are free with it, and of neurons it charges the additions that its own trace finds."""
    ours = energy(drawn, table)
    return {
        "readout: not charged": without_readout(drawn, table),
        "biases: not added": -ours.bias_pj_per_sample,
        "neurons: additions that its trace finds, no product, no comparison": ac * neuron_acs
        - ours.neuron_pj_per_sample,
    }


def to_compute(drawn, neuron_acs, precision):
    """The causes between our `horowitz-fp32`, `-fp16` or `-int8` and what the simple model computes, without memory."""
    return operations_alike(drawn, f"horowitz-{precision}", neuron_acs, AC[precision])


def to_simple(drawn, neuron_acs):
    """The causes between our `horowitz-memory` and the whole of the simple model."""
    table = "horowitz-memory"
    e = access(table)
    loads, moved, cleared, flat = 0.0, 0.0, 0.0, 0.0
    for x in sizes(drawn):
        loads -= x.weights * DRAM
        reads = x.macs if x.analog else x.synops
        flat += reads * (WORD - e(x.weights)) + bool(x.bias) * x.updates * (WORD - e(x.bias or 1))
        moved -= x.macs * e(x.inputs) + x.updates * e(x.outputs) if x.analog else 0.0
        moved -= x.events * e(x.inputs) + 2 * x.synops * e(x.outputs) if not x.analog else 0.0
        if x.spiking:
            moved -= x.spikes_out * e(x.outputs)
            cleared -= x.outputs * e(x.outputs)
            flat += 2 * x.updates * (WORD - e(x.outputs))
    return operations_alike(drawn, table, neuron_acs, AC["fp32"]) | {
        "weights: not loaded from DRAM": loads,
        "inputs, outputs and sums of synapses: not accessed": moved,
        "states: not cleared before a sample": cleared,
        "every memory: 24.96 pJ a byte, ours by its size": flat,
    }
