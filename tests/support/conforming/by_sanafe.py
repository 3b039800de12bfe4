"""SANA-FE's Loihi on a drawn network: the simulator runs in a process of its own, which is handed the network as JSON.

A spike crosses one layer a timestep there, so that a network of L layers takes L timesteps more.
"""

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from support.conforming.networks import TAU

VERSION = "2.2.9"
PROCESS = Path(__file__).with_name("sanafe_process.py")
# Its neurons cut potentials to multiples of 1/64: all are scaled beyond that. Its threshold has to be exceeded, ours to
# be reached.
SCALE = 2.0**20
THRESHOLD = SCALE - 0.5


@dataclass(frozen=True)
class Chip:
    """What SANA-FE reports: energy in picojoule by part, messages between cores and the spikes of neurons."""

    synapse: float
    soma: float
    network: float
    total: float
    messages: int
    spikes: int


def by_sanafe(drawn_networks):
    """Simulate some drawn networks, one after the other in one process, and return a Chip of each."""
    lines = "".join(json.dumps(told(drawn)) + "\n" for drawn in drawn_networks)
    done = subprocess.run([sys.executable, PROCESS], input=lines, capture_output=True, encoding="utf-8", check=False)
    if done.returncode:
        raise RuntimeError(f"SANA-FE failed: {done.stderr[-2000:]}")
    return [reported(json.loads(line)) for line in done.stdout.splitlines()]


def reported(said):
    """A report in picojoule. The simulator counts what its input neurons send among its spikes."""
    parts = {name: said["energy"][name] * 1e12 for name in ("synapse", "soma", "network", "total")}
    return Chip(**parts, messages=said["packets_sent"], spikes=said["neurons_fired"])


def told(drawn):
    """A drawn network of one sample as the simulator is told it: every synapse by itself, padding therefore exact."""
    layers = []
    for matrix in drawn.matrices:
        edges = [(i, j, SCALE * matrix[i, j].item()) for i, j in matrix.nonzero().tolist()]
        layers.append({"neurons": matrix.shape[1], "edges": edges})
    trains = drawn.x[:, 0].flatten(1).T.bool().tolist()
    steps = drawn.timesteps + len(layers)
    return {"trains": trains, "layers": layers, "timesteps": steps, "leak": 1 - 1 / TAU, "threshold": THRESHOLD}
