"""What is known of the neurons of other libraries, which are told by their classes and never imported."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from torch import Tensor, nn

# Where each library defines its neurons, and how one is made to forget; norse's keep nothing.
_NEURONS = {
    "spikingjelly": ("spikingjelly.activation_based.neuron", "spikingjelly.clock_driven.neuron"),
    "snntorch": ("snntorch._neurons",),
    "norse": ("norse.torch.module",),
    "sinabs": ("sinabs.layers",),
}
_RESET = {"spikingjelly": ("reset",), "snntorch": ("reset_mem",), "sinabs": ("reset_states",)}
_BASES = frozenset(
    ["SNNCell", "SNNRecurrentCell", "SNN", "SNNRecurrent", "LIFBoxCell", "LIBoxCell", "StatefulLayer", "SpikingNeuron"]
)
_SNNTORCH_STATES = frozenset(["mem", "syn", "syn_exc", "syn_inh"])


def library_of(module: nn.Module) -> str | None:
    """Return the library that a module, or a class that it extends, is from."""
    roots = (cls.__module__.partition(".")[0] for cls in type(module).__mro__)
    return next((root for root in roots if root in _NEURONS), None)


def is_library_neuron(module: nn.Module) -> bool:
    """Whether a module is a neuron of a library that is known here."""
    library = library_of(module)
    if library is None or isinstance(module, nn.Sequential):
        return False
    for cls in type(module).__mro__:
        if cls.__module__.startswith(_NEURONS[library]) and cls is not nn.Module:
            if library in ("spikingjelly",) or cls.__name__ in _BASES:
                return True
    return False


def makes_zero_states(module: nn.Module) -> bool:
    """Whether a library's neuron makes its first state of zeros that depend on nothing, not even on its input."""
    return library_of(module) in ("norse", "snntorch")


def takes_time_first(model: nn.Module) -> bool:
    """Whether some module is set to run whole sequences [T, N, ...], as SpikingJelly's are in multi-step mode."""
    return any(getattr(module, "step_mode", None) == "m" for module in model.modules())


def reset(model: nn.Module) -> bool:
    """Make the neurons of known libraries forget, as their own functions do; return whether there were any."""
    found = False
    for module in model.modules():
        for name in _RESET.get(library_of(module) or "", ()):
            forget = getattr(module, name, None)
            if callable(forget):
                forget()
                found = True
    return found


def state_tensors(module: nn.Module) -> Iterator[Tensor]:
    """Yield what a library's neuron has kept from an earlier call, or was reset to."""
    library = library_of(module)
    for part in module.modules():
        kept = dict(part.named_buffers(recurse=False)) | vars(part).get("_memories", {})
        for name, value in kept.items():
            if isinstance(value, Tensor) and value.dim() and (library != "snntorch" or name in _SNNTORCH_STATES):
                yield value


def state_words(module: nn.Module, output: Any) -> int | None:
    """Return the state variables of a library's neuron after a call, None where there is no rule for it."""
    library = library_of(module)
    if library == "spikingjelly":
        kept = getattr(module, "_memories", None)
        return None if kept is None else sum(isinstance(value, Tensor) for value in kept.values())
    if library == "snntorch":
        return sum(name in _SNNTORCH_STATES for name, _ in module.named_buffers(recurse=False)) or None
    if library == "norse" and isinstance(output, tuple) and len(output) == 2:
        names = getattr(output[1], "_fields", ())  # z are the spikes themselves
        return sum(name != "z" and isinstance(getattr(output[1], name), Tensor) for name in names) or None
    if library == "sinabs":
        return sum(buffer.numel() > 0 for _, buffer in module.named_buffers(recurse=False) if buffer.dim() > 0) or None
    return None
