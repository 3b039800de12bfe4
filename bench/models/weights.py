"""Synaptic weights: what is matched between networks of different neurons, how it starts, and its digest."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator

import torch
from torch import Tensor, nn

from bench.neurons.base import is_neuron

_ORIGINAL = "parametrizations.weight.original"  # where torch keeps weights that go through something


def initialise(model: nn.Module, seed: int | None) -> None:
    """Draw all synaptic weights in module order from one generator, without looking at the neurons.

    Convolutions: He-normal, fan_out (He et al. 2015), biases 0. Batch norm: weight 1, bias 0. Linear: uniform within
    1 / sqrt(fan_in), weights and biases (torch's default). seed None draws from torch's global generator.

    Drawn in float64 and rounded: the last bits of torch's float32 numbers depend on the processor's instruction set.
    """
    generator = None if seed is None else torch.Generator().manual_seed(seed)
    for module in outside_neurons(model):
        if isinstance(module, nn.Conv2d):
            drawn = torch.empty_like(module.weight, dtype=torch.float64)
            nn.init.kaiming_normal_(drawn, mode="fan_out", nonlinearity="relu", generator=generator)
            _fill(module.weight, drawn)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        elif isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            module.reset_parameters()
        elif isinstance(module, nn.Linear):
            _fill_uniform(module.weight, 1 / math.sqrt(module.in_features), generator)
            if module.bias is not None:
                _fill_uniform(module.bias, 1 / math.sqrt(module.in_features), generator)


def synaptic_parameters(model: nn.Module) -> dict[str, Tensor]:
    """Return the parameters and buffers that no neuron owns, by name and in module order."""
    owned = tuple(f"{name}." if name else "" for name, module in model.named_modules() if is_neuron(module))
    return {name: value for name, value in model.state_dict(keep_vars=True).items() if not name.startswith(owned)}


def neuron_parameters(model: nn.Module) -> dict[str, dict[str, Tensor]]:
    """Return the learnable parameters of each neuron that has some: layer name -> parameter name -> tensor."""
    layers = {name: dict(module.named_parameters()) for name, module in model.named_modules() if is_neuron(module)}
    return {name: parameters for name, parameters in layers.items() if parameters}


def weights_digest(model: nn.Module) -> str:
    """Return the first 16 hex digits of the sha256 of the synaptic parameters: names, shapes, float32 values.

    Of weights that go through a synapse it is the stored ones that count, as if there were none.
    """
    state = hashlib.sha256()
    for name, value in _stored(synaptic_parameters(model)):
        state.update(f"{name} {tuple(value.shape)}\n".encode())
        state.update(value.detach().to("cpu", torch.float32).contiguous().numpy().tobytes())
    return state.hexdigest()[:16]


def _stored(parameters: dict[str, Tensor]) -> Iterator[tuple[str, Tensor]]:
    """Yield parameters by the names, and in the order, that they have without a synapse; its own are left out."""
    if not any(name.endswith(_ORIGINAL) for name in parameters):
        yield from parameters.items()
        return
    named = {name.replace(_ORIGINAL, "weight"): value for name, value in parameters.items()}
    plain = [name for name in named if "parametrizations." not in name]
    modules = list(dict.fromkeys(name.rpartition(".")[0] for name in plain))
    for name in sorted(plain, key=lambda name: (modules.index(name.rpartition(".")[0]), not name.endswith(".weight"))):
        yield name, named[name]


def _fill(parameter: Tensor, drawn: Tensor) -> None:
    with torch.no_grad():
        parameter.copy_(drawn)


def _fill_uniform(parameter: Tensor, bound: float, generator: torch.Generator | None) -> None:
    """Fill with numbers uniform within +-bound; scaled in one rounding, where `uniform_` may fuse its two."""
    unit = torch.empty_like(parameter, dtype=torch.float64).uniform_(generator=generator)
    _fill(parameter, (2 * unit - 1) * bound)


def outside_neurons(module: nn.Module) -> Iterator[nn.Module]:
    """Yield a module and all that are in it, but for neurons."""
    if not is_neuron(module):
        yield module
        for child in module.children():
            yield from outside_neurons(child)
