"""What one update of a neuron costs: its `step`, traced at operator level and put in canonical form.

`fire(u - theta)` is one compare, a division by a constant a multiply, operations on parameters alone and casts are
free. LIF, `u = a v + x; s = [u >= theta]; v = u - theta s`, is 2 mul, 1 add, 1 sub, 1 compare.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from bench.errors import BenchError
from bench.measure.ops import tensors
from bench.measure.tape import Tape, Value, total_cost


@dataclass(frozen=True)
class Profile:
    """Operations per neuron and timestep, and state variables read and written per neuron and timestep."""

    ops_per_update: dict[str, float]
    state_words: int


def is_neuron(module: nn.Module) -> bool:
    """Whether a module keeps the neuron contract: `initial_state`, a pure `step`, and a word on whether it spikes."""
    return all(hasattr(module, attribute) for attribute in ("step", "initial_state", "spiking"))


def trace_step(neuron: Any, x: Tensor) -> Profile:
    """Trace one update of `neuron` on an input of one timestep, x [N, ...].

    The step that is traced is the second one, so that the state is what the neuron makes of it.
    Raises BenchError for an operation without a known cost and for Python code that branches on the data.
    """
    name = str(getattr(neuron, "name", type(neuron).__name__))
    tape = Tape()
    with torch.no_grad():
        _, state = neuron.step(x, tuple(neuron.initial_state(x)))
        # Own storage for each: a state that is a view of x or of another state would hide the operations between them.
        x, state = x.clone(), tuple(part.clone() for part in state)
        for tensor in (x, *state):
            tape.mark(tensor, Value(discrete=False))
        with tape:
            spikes, state = neuron.step(x, state)
    for tensor in tensors((spikes, state)):
        value = tape.value(tensor)
        if value is not None:
            value.consumers.add("returned")
    nodes = tape.canonical_nodes()
    for node in nodes:
        if node.reads:
            raise BenchError(
                f"neuron '{name}': its step reads values into Python ('aten.{node.op}'), "
                "so its cost depends on the data; write the branch with torch.where"
            )
        if node.cost is None:
            raise BenchError(
                f"neuron '{name}': the cost of 'aten.{node.op}' in its step is not known; "
                "write it with elementary operations (add, mul, compare, where, sigmoid, tanh, exp ...)"
            )
    words = sum(part.numel() for part in state) / x.numel()
    return Profile({word: count / x.numel() for word, count in total_cost(nodes).items()}, round(words))
