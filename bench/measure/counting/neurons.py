"""What one update of a neuron costs: its `step`, traced at operator level and put in canonical form.

`fire(u - theta)` is one compare, a division by a constant a multiply, operations on parameters alone and casts are
free. LIF, `u = a v + x; s = [u >= theta]; v = u - theta s`, is 1 mul (a shift where a is a power of two), 1 select,
1 add, 1 sub, 1 compare.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from bench.errors import BenchError
from bench.measure.counting.batch import Batch
from bench.measure.counting.kinds import CHUNK
from bench.measure.counting.nests import tensors
from bench.measure.counting.nodes import Value, total_cost
from bench.measure.counting.rows import per_sample
from bench.measure.counting.sums import Sums
from bench.measure.counting.tape import new_tape
from bench.measure.counting.timesteps import Timeline, by_timestep
from bench.records.counts import NeuronCount


@dataclass(frozen=True)
class Profile:
    """Operations per neuron and timestep, and state variables read and written per neuron and timestep."""

    ops_per_update: dict[str, float]
    state_words: int
    binary: bool = False  # what it puts out is 0 or 1 whatever comes


def trace_step(neuron: Any, x: Tensor) -> Profile:
    """Trace one update of `neuron` on an input of one timestep, x [N, ...].

    Of a neuron that puts out levels (`output_bits`) the product of a level with its step folds into the weights behind.
    The step that is traced is the second one, so that the state is what the neuron makes of it.
    Raises BenchError for an operation without a known cost and for Python code that branches on the data.
    """
    name = str(getattr(neuron, "name", type(neuron).__name__))
    tape = new_tape()
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
    cost = total_cost(nodes)
    if getattr(neuron, "output_bits", 0) and cost.get("mul", 0) >= x.numel():
        cost["mul"] -= x.numel()
    words = sum(part.numel() for part in state) / x.numel()
    made = tape.value(spikes)
    per_update = {word: count / x.numel() for word, count in cost.items() if count}
    return Profile(per_update, round(words), binary=made is not None and made.spike)


RELU = Profile({"compare": 1.0}, state_words=0)


class NeuronTally:
    """The running count of one neuron layer at one shape; a module that is used at two shapes has two of them."""

    def __init__(self, name: str, neuron: str, spiking: bool, shape: tuple[int, ...], profile: Profile) -> None:
        self.name, self.neuron, self.spiking, self.shape, self.profile = name, neuron, spiking, shape, profile
        self.passes = 0  # (sample, timestep) pairs
        self._spikes, self._timeline = Sums(), Timeline()

    def add(self, output: Tensor, passes: int, batch: Batch) -> None:
        """Count the non-zero outputs of `passes` (sample, timestep) pairs."""
        steps = by_timestep(output, output.dim() - len(self.shape), batch)
        begin = self._timeline.place(None if steps is None else len(steps), batch)
        for index, step in enumerate([output] if steps is None else steps):
            self._spikes.add(count_nonzero(step), begin + index)
        self.passes += passes

    def count(self, samples: int, module: nn.Module) -> NeuronCount:
        """Return the record of what was added; `module` owns the learnable parameters."""
        spikes, timesteps = self._spikes.total(1), per_sample(self.passes, samples)
        each = [] if spikes is None else [int(total) for total in spikes.tolist()]
        return NeuronCount(
            name=self.name,
            neuron=self.neuron,
            spiking=self.spiking,
            units=max(1, int(torch.Size(self.shape).numel())),
            samples=samples,
            timesteps=timesteps,
            spikes_total=sum(each),
            spikes_by_timestep=each if timesteps > 1 and self._timeline.told(timesteps) else None,
            ops_per_update=self.profile.ops_per_update,
            state_words=self.profile.state_words,
            parameters={n: p.detach().flatten().tolist() for n, p in module.named_parameters() if p.requires_grad},
        )


def count_nonzero(x: Tensor) -> Tensor:
    """Count as torch.count_nonzero does, in an eighth of the time on a CPU; what is no number counts as zero."""
    size = CHUNK.get(x.device.type, 0)
    if x.numel() < size or not size or x.dtype not in (torch.float32, torch.float64):
        return torch.count_nonzero(x)
    # A view in memory order, so that no layout is copied.
    strides = x.stride()
    order = sorted(range(x.dim()), key=lambda axis: -strides[axis])
    pieces = x.permute(order).reshape(-1).split(size)
    return torch.stack([piece.sign().abs_().sum() for piece in pieces]).sum(dtype=torch.float64).to(torch.int64)
