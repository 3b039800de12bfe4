"""The neuron contract and the one time loop, plain or fused, that every neuron shares."""

from __future__ import annotations

import functools
import re
import types
import warnings
from collections.abc import Callable
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from bench.errors import ParameterError
from bench.neurons.surrogate import SurrogateName, derivative_of, spike
from bench.plugins import registry
from bench.processor import code_tag, multiplies_bf16
from bench.sequences import repeated_frame

State = tuple[Tensor, ...]
_HALF = (torch.bfloat16, torch.float16)
# On a GPU, inductor would stack what it computes by computing it once per timestep, from states that it writes out.
_STACK_IN_PLACE = {"max_pointwise_cat_inputs": 0, "max_complex_pointwise_cat_inputs": 0}


class CompileError(RuntimeError):
    """The fused time loop could not be built here (no C compiler, no Triton ...); the plain one still works."""


class Neuron(nn.Module):
    """A population of neurons over a sequence: input current x [T, N, ...] -> spikes [T, N, ...].

    A neuron is `initial_state` and a pure `step`; nothing is kept between calls, so there is nothing to reset. Its
    keyword arguments are its schema and the first line of its docstring is its row in the documentation. A keyword
    argument `_channels: int` is not part of the schema: whoever builds the network gives it the channels of the layer,
    for learnable parameters of each channel.

    surrogate: derivative of the spike used in the backward pass; see `bench.neurons.surrogate`.
    Raises UnknownNameError or ParameterError for a surrogate that does not exist or may not be imported.
    """

    name: ClassVar[str]  # what a suite calls it; a class outside this package needs none
    spiking: ClassVar[bool] = True
    # True promises that `step` treats every number alone (no per-channel parameters, no lateral terms). The loop then
    # hands it the neurons of a timestep as one row in memory order: one kernel serves every layer shape and layout.
    elementwise: bool = False
    # False admits that `step` cuts gradients on purpose (a detached reset): they are then no derivative of the output.
    exact_gradient: bool = True

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if "name" not in vars(cls):
            cls.name = cls.__name__

    def __init__(self, *, surrogate: SurrogateName = "rectangle") -> None:
        super().__init__()
        self._derivative = derivative_of(surrogate)
        self.surrogate = surrogate
        self._fused = False
        self.cuts_time = False

    def initial_state(self, x: Tensor) -> State:
        """Return the state before the first timestep, given its input x [N, ...]; () for a neuron without state."""
        raise NotImplementedError

    def step(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """Advance one timestep: input x [N, ...] and state -> spikes [N, ...] and the new state."""
        raise NotImplementedError

    def fire(self, u_minus_threshold: Tensor) -> Tensor:
        """Return 1 where the membrane is at or above the threshold, else 0; the backward pass uses the surrogate."""
        return spike(u_minus_threshold, self._derivative)

    def use_fused(self, enabled: bool) -> None:
        """Run training passes fused: the whole time loop compiled from `step`, forward and backward.

        Numbers agree with the plain loop to float rounding. What a layer holds for its backward pass is its input
        alone: the states are computed again. Evaluation stays plain. The first training pass compiles (seconds; later
        layers and shapes reuse it) and raises CompileError where that fails.
        """
        self._fused = enabled

    def cut_time(self, enabled: bool) -> None:
        """Let gradients of training passes flow through space alone: each state is detached from the one before it.

        Spikes are the same, and so is evaluation. Raises ParameterError for a neuron with a state and a time loop of
        its own, which cannot be cut from here.
        """
        if enabled and type(self).forward is not Neuron.forward and self.initial_state(torch.zeros(1, 1, 1, 1)):
            raise ParameterError(time_stays(self.name))
        self.cuts_time = enabled

    def forward(self, x: Tensor) -> Tensor:
        """Run the sequence x [T, N, ...] -> spikes [T, N, ...] in the dtype of x; states are float32 or float64."""
        with torch.autocast(device_type=x.device.type, enabled=False):
            # A current that is the same at every timestep is read once, and its gradient summed on the way.
            timesteps, frame = x.shape[0], repeated_frame(x)
            currents = x if frame is None else frame.unsqueeze(0)
            if not self.elementwise:
                return self._run(currents, timesteps)
            # The neurons of one timestep as a row in memory order: a view for contiguous and channels_last alike.
            strides = currents.stride()
            order = [0, *sorted(range(1, x.dim()), key=lambda axis: -strides[axis])]
            permuted = currents.permute(order)
            rows = self._run(permuted.flatten(1), timesteps)
            spikes = rows.view(timesteps, *permuted.shape[1:])
            return spikes.permute([order.index(axis) for axis in range(x.dim())])

    def _run(self, x: Tensor, timesteps: int) -> Tensor:
        if not (self._fused and self.training and torch.is_grad_enabled()):
            return run_sequence(self, x, timesteps)
        if x.dtype in _HALF and x.device.type == "cpu" and not multiplies_bf16():
            # Casting inside the loop, compilers run out of AVX2's registers: CLIF took half as long again.
            return self._run(x.float(), timesteps).to(x.dtype)
        # Imported here because it costs a second that a plain run need not wait for.
        from torch._dynamo import maybe_mark_dynamic
        from torch._dynamo.exc import TorchDynamoException

        # The extent of a layer is symbolic, so that one graph serves all layers; tau and its like stay constants.
        maybe_mark_dynamic(x, list(range(1, x.dim())))
        sizes = tuple(tuple(parameter.shape) for parameter in self.parameters())
        graph = (x.dim(), x.shape[0], timesteps, x.dtype, sizes, *(["space"] if self.cuts_time else []))
        sequence = fused_sequence(type(self).__qualname__, graph)
        try:
            with warnings.catch_warnings():
                # torch.compile looks at .grad of its inputs and warns about its own look.
                warnings.filterwarnings("ignore", message="The .grad attribute of a Tensor that is not a leaf")
                return sequence(self, x, timesteps)
        except TorchDynamoException as error:
            raise CompileError(f"{type(self).__name__}: torch.compile failed: {error}") from error


def time_stays(name: str) -> str:
    """Return why the gradient of a neuron cannot be kept out of time."""
    return (
        f"train.gradient = 'space': neuron '{name}' steps through time by itself, so its state cannot be detached; "
        "leave `forward` to bench.neurons.Neuron, or use gradient = 'time'"
    )


def is_neuron(module: Any) -> bool:
    """Whether a module keeps the neuron contract: `initial_state`, a pure `step`, and a word on whether it spikes.

    Every `Neuron` does, and so may a class that is none.
    """
    return all(hasattr(module, attribute) for attribute in ("step", "initial_state", "spiking"))


def run_sequence(neuron: Neuron, x: Tensor, timesteps: int) -> Tensor:
    """Step `neuron` through x [T, N, ...], or through one frame x [1, N, ...] again and again: spikes [T, N, ...].

    Arithmetic is in float32 at least, spikes are in the dtype of x. In training the state of a neuron that `cuts_time`
    is detached after each timestep: what a later one makes of it sends no gradient back.
    """
    # Cast timestep by timestep: fused, a half-precision layer then reads and writes nothing wider.
    currents = [current.float() if x.dtype in _HALF else current for current in x.unbind(0)]
    if len(currents) < timesteps:
        currents = currents * timesteps
    state, cut = neuron.initial_state(currents[0]), neuron.cuts_time and neuron.training
    spikes = []
    for current in currents:
        spike, state = neuron.step(current, state)
        if cut:
            state = tuple(each.detach() for each in state)
        spikes.append(spike.to(x.dtype))
    return torch.stack(spikes)


def _holding_the_input_alone(neuron: Neuron, x: Tensor, timesteps: int) -> Tensor:
    # `step` draws no random numbers, so there is no generator to wind back.
    spikes: Tensor = checkpoint(run_sequence, neuron, x, timesteps, use_reentrant=False, preserve_rng_state=False)
    return spikes


@functools.cache
def fused_sequence(cls: str, graph: tuple[Any, ...]) -> Callable[[Neuron, Tensor, int], Tensor]:
    """Return `run_sequence` compiled for neurons of one class and the `graph` that they need, at its first call."""
    # torch.compile counts recompilations per code object and gives up after eight. A code object of its own for every
    # combination that needs a graph of its own keeps the count low.
    source, name = _holding_the_input_alone, re.sub(r"\W+", "_", f"{cls} {graph}")
    function = types.FunctionType(source.__code__.replace(co_name=name), source.__globals__, name)
    # torch's cache of compiled code does not tell instruction sets apart: a loop of eight floats, compiled again where
    # vectors have sixteen, writes beyond its array.
    if code_tag() not in torch.compiler.config.cache_key_tag:
        torch.compiler.config.cache_key_tag += code_tag()
    from torch._inductor import config

    options: dict[str, Any] = {name: most for name, most in _STACK_IN_PLACE.items() if hasattr(config, name)}
    return torch.compile(function, fullgraph=True, dynamic=False, options=options)


def make_factory(name: str, **params: Any) -> Callable[[int], Neuron]:
    """Return a function that constructs a fresh `name` neuron for a layer of so many channels.

    Raises UnknownNameError or ParameterError here, not at the first call.
    """

    def factory(channels: int) -> Neuron:
        made: Neuron = registry.create("neuron", name, {"_channels": channels}, **params)
        return made

    factory(1)
    return factory
