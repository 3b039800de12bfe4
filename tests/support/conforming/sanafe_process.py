"""The other end of `by_sanafe.py`: simulates one network on SANA-FE's Loihi, in a process of its own.

SANA-FE is GPL-3.0. Nothing of this project imports it but this file, and nothing imports this file: it is run, takes a
network in JSON on its standard input and writes what the simulator reports, in JSON, to its standard output.
"""

import contextlib
import json
import os
import sys

import sanafe


def simulate(arch, network):
    """Simulate a network on a fresh chip: a used one goes on where it was.

    network: `trains`, spikes [input][timestep]; `layers`, of each `neurons` and `edges` [(from, to, weight)];
    `timesteps`, `leak` (what a potential is multiplied by) and `threshold`, that a potential has to exceed.
    """
    net, trains = sanafe.Network(), network["trains"]
    before = net.create_neuron_group("inputs", len(trains))
    for index, train in enumerate(trains):
        before[index].set_attributes(soma_hw_name=f"loihi_inputs[{index}]", model_attributes={"spikes": train})
        before[index].map_to_core(core_of(arch, 0))
    attributes = {"threshold": network["threshold"], "leak_decay": network["leak"], "reset_mode": "hard", "reset": 0.0}
    for number, layer in enumerate(network["layers"], start=1):
        size, edges = layer["neurons"], layer["edges"]
        group = net.create_neuron_group(f"layer{number}", size, model_attributes=attributes, soma_hw_name="loihi_lif")
        for index in range(size):
            group[index].map_to_core(core_of(arch, number))
        pairs, weights = [edge[:2] for edge in edges], [edge[2] for edge in edges]
        before.connect_neurons_sparse(group, {"weight": weights}, list(map(tuple, pairs)))
        before = group
    chip = sanafe.SpikingChip(arch)
    chip.load(net)
    said = chip.sim(network["timesteps"], timing_model="simple", processing_threads=1)
    return {name: said[name] for name in ("energy", "packets_sent", "neurons_fired")}


def core_of(arch, number):
    """The number-th core; four of them are a tile."""
    return arch.tiles[number // 4].cores[number % 4]


@contextlib.contextmanager
def standard_output_kept():
    """Send what the simulator's own code prints to standard error."""
    kept = os.dup(1)
    os.dup2(2, 1)
    try:
        yield kept
    finally:
        os.dup2(kept, 1)
        os.close(kept)


def main():
    """Answer one network after another, a line each."""
    with standard_output_kept() as answers, os.fdopen(os.dup(answers), "w", encoding="utf-8") as out:
        arch = sanafe.load_loihi()
        for line in sys.stdin:
            print(json.dumps(simulate(arch, json.loads(line))), file=out, flush=True)


if __name__ == "__main__":
    main()
