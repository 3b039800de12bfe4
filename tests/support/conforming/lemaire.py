"""Lemaire et al. 2022 by us and by others who implement it: what they do otherwise."""

from support.conforming.causes import access, energy, sizes

ADD, MAC, MUL = 0.1, 3.2, 3.1  # picojoule, 32-bit integers
FIFO_WORDS = 1000


def neurons_alike(drawn, table):
    """A leak of a LIF and a reset: without what an IF, a hard reset or a ReLU does otherwise than a LIF."""
    published = sum(MAC * x.updates * x.leaks + ADD * x.spikes_out for x in sizes(drawn))
    return published - energy(drawn, table).neuron_pj_per_sample


def without_readout(drawn, table):
    """Nobody else charges the mean of the outputs over timesteps."""
    return -energy(drawn, table).readout_pj_per_sample


def to_spikingjelly(drawn):
    """The causes between our table `lemaire` and SpikingJelly's model."""
    table, layers, n = "lemaire", sizes(drawn), drawn.samples
    e, in_spikes = access("lemaire"), any(x.spiking for x in layers)
    together, batch, unwritten, kernel = 0.0, 0.0, 0.0, 0.0
    for x in layers:
        both = e(x.weights + x.bias)
        together += (x.macs if x.analog else x.met) * (both - e(x.weights)) + bool(x.bias) * x.updates * (
            both - e(x.bias)
        )
        held = e(n * x.outputs) - e(x.outputs)
        batch += 2 * x.updates * held * x.spiking
        if not x.analog:
            batch += 2 * x.met * held
            continue
        whole = n * x.timesteps
        batch += (x.inputs * x.timesteps if x.linear else x.macs) * (e(whole * x.inputs) - e(x.inputs))
        if in_spikes:
            unwritten -= x.updates * e(x.outputs)
        else:
            batch += x.updates * (e(whole * x.outputs) - e(x.outputs))
        if not x.linear:
            kernel += ADD * x.channels * x.taps * (1 / n - x.timesteps)
    return {
        "readout: not charged": without_readout(drawn, table),
        "neurons: a LIF's leak and every reset, no operation else": neurons_alike(drawn, table),
        "weights and biases: in one memory, which is larger": together,
        "buffers: hold all samples of a batch, and of analog layers all timesteps": batch,
        "outputs of analog layers: not written in a spiking network": unwritten,
        "addresses of a dense kernel: added once a call, not once a pass": kernel,
    }


def to_qualia(drawn):
    """The causes between our table `lemaire-regression` and Qualia's model."""
    table, e = "lemaire-regression", access("lemaire-regression")
    ann = drawn.kind == "ann"
    added, unread, convolved, rated, dense, hybrid = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
    for x, ours in zip(sizes(drawn), energy(drawn, table).layers, strict=True):
        no_bias = ADD * x.updates * (not x.bias)
        if x.analog and not ann:
            said = ours.pj_per_sample + ours.memory_pj_per_sample + ours.addressing_pj_per_sample
            said += ADD * x.updates * bool(x.bias)
            hybrid += hybrid_pj(x, e) - said - MAC * x.updates * x.leaks - 2 * x.updates * e(x.outputs) * x.spiking
            continue
        added += no_bias
        if ann:
            dense += ADD * (x.inputs * x.outputs - x.inputs - x.outputs) * x.linear
            continue
        unread += 2 * x.updates * e(x.outputs) * (not x.spiking)
        if x.linear:
            rated -= ADD * x.met * (1 - 1 / x.inputs)
        else:
            convolved -= ADD * x.events * x.taps * (x.channels - 1)
    return {
        "readout: not charged": without_readout(drawn, table),
        "neurons: a LIF's leak and every reset, no operation else": neurons_alike(drawn, table),
        "bias: added where there is none": added,
        "potentials: updated at every timestep where no neuron follows": unread,
        "addresses of a spike in a convolution: without Cout (their formula has it)": convolved,
        "addresses of a spike in a linear layer: rate x Nout, not spikes x Nout": rated,
        "addresses of a dense linear layer: Nin x Nout, ours Nin + Nout": dense,
        "a layer that sees images: by density and once, not dense and T times": hybrid,
    }


def hybrid_pj(x, e):
    """What Qualia adds up for a layer of a spiking network with analog input, its neurons' reset and write left out.

    Convolution: inputs, weights and addresses of the non-zero inputs of one timestep, MACs and bias of one pass times
    their density. Linear: one dense pass. Potentials at every timestep, leak once and as a multiplication.
    """
    density = x.events / (x.timesteps * x.inputs)
    once, macs = x.events / x.timesteps, x.macs / x.timesteps
    potentials = 2 * (x.met + x.updates) * e(x.outputs)
    kept = potentials + bool(x.bias) * x.updates * e(x.bias or 1) + MUL * x.outputs * x.leaks
    if x.linear:
        moved = x.inputs * e(x.inputs) + x.met * e(x.weights)
        return kept + moved + MAC * macs + ADD * x.outputs + ADD * x.inputs * x.outputs
    moved = once * e(FIFO_WORDS) + once * x.channels * x.taps * e(x.weights)
    return kept + moved + density * (MAC * macs + ADD * x.outputs) + once * (2 * MAC + ADD * x.taps)
