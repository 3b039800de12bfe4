"""Loihi by our table and by SANA-FE's model of it."""

import torch

from support.conforming.causes import energy, sizes

SYNOP, MESSAGE, ACCESS, UPDATE, SPIKE = 35.5, 111.0, 51.2, 21.6, 69.3  # picojoule, of SANA-FE's description of Loihi
HOP, TILE = 4.2, 4  # picojoule of the hop to the next tile, and cores of a tile


def active(drawn):
    """What SANA-FE updates and ours counts otherwise, of a network of one sample.

    Returns the updates of neurons that were hit or whose potential is not 0, in the timesteps of ours and those that
    theirs needs more, and the spikes that have somewhere to go, by the layer that they go to.
    """
    x, updates, sent = drawn.x.flatten(2)[:, 0], 0, []  # [T, inputs]
    for index, (matrix, neurons) in enumerate(zip(drawn.matrices, drawn.network.neurons, strict=True)):
        connected = matrix != 0
        sent.append(int(x.bool()[:, connected.any(1)].sum()))
        hit, current, spikes = x @ connected.float() > 0, x @ matrix, []
        state = neurons.initial_state(current[0])
        for now, reached in zip(current, hit, strict=True):
            updates += int((reached | (state[0] != 0)).sum())
            out, state = neurons.step(now, state)
            spikes.append(out)
        left = len(drawn.steps) - 1 - index  # timesteps that theirs has after the last input of this layer
        updates += left * int((state[0] != 0).sum())
        x = torch.stack(spikes)
    return updates, sent


def to_sanafe(drawn):
    """The causes between our table `loihi` and SANA-FE's energy."""
    ours, layers = energy(drawn, "loihi"), sizes(drawn)
    updates, sent = active(drawn)
    units, steps = sum(x.outputs for x in layers), drawn.timesteps
    spikes = sum(x.spikes_out for x in layers)
    soma = ACCESS * units * steps + UPDATE * updates + SPIKE * spikes
    tiles = [(index + 1) // TILE for index in range(len(layers))]  # of the core of each layer; inputs have the first
    hops = sum(number * (a != b) for number, a, b in zip(sent, [0, *tiles], tiles, strict=False))
    return {
        "readout: not charged": -ours.readout_pj_per_sample,
        "synapse: 35.5 pJ an operation, ours 23.6": (SYNOP - 23.6) * sum(x.synops for x in layers),
        "neuron: 51.2, 72.8 or 142.1 pJ idle, touched or spiking, ours 52 or 81": soma - ours.neuron_pj_per_sample,
        "timesteps: as many more as layers, a spike crosses one in each": ACCESS * units * len(layers),
        "spike: a message of 111 pJ and its hops, ours 3.5; inputs send too": MESSAGE * sum(sent)
        + HOP * hops
        - ours.addressing_pj_per_sample,
    }
