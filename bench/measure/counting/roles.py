"""Which modules are counted as a whole: those that run as torch's own layers, or this package's, do."""

from __future__ import annotations

from typing import Any, Literal

from torch import nn

from bench.measure.counting.geometry import SYNAPTIC
from bench.models import layers
from bench.neurons.base import is_neuron

NORM = nn.modules.batchnorm._BatchNorm
Role = Literal["synapse", "norm", "neuron"]
_METHODS = ("forward", "_conv_forward")


def within(name: str, outer: str) -> bool:
    """Whether the module called `name` is `outer` or in it."""
    return not outer or name == outer or name.startswith(f"{outer}.")


def counted_modules(model: nn.Module) -> dict[str, Role]:
    """Find the modules that are counted as a whole, by role; what is inside them is not looked at.

    What another class makes of a layer, or somebody has put in place of its forward, is counted operator by operator.
    """
    found: dict[str, Role] = {}
    for name, module in model.named_modules():
        role = _role(module)
        if role is not None and not any(within(name, outer) for outer in found):
            found[name] = role
    return found


def _role(module: nn.Module) -> Role | None:
    if is_neuron(module):
        return "neuron"
    if not isinstance(module, (*SYNAPTIC, NORM, nn.ReLU)) or not all(_is_plain(module, name) for name in _METHODS):
        return None
    if any(parameter.is_complex() for parameter in module.parameters(recurse=False)):
        return None
    return "synapse" if isinstance(module, SYNAPTIC) else "norm" if isinstance(module, NORM) else "neuron"


def _is_plain(module: nn.Module, name: str) -> bool:
    """Whether a method is torch's, or this package's round torch's, with nobody else's between them."""
    if name in vars(module):
        return False
    for cls in type(module).__mro__:
        method: Any = vars(cls).get(name)
        source = str(getattr(method, "__module__", ""))
        if method is not None and source != layers.__name__:
            return source.startswith("torch.nn.modules.")
    return True
