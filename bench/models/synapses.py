"""The synapse of a network put into each of its layers, and found there again."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from typing import Any

from torch import Tensor, nn
from torch.nn.modules.conv import _ConvNd
from torch.nn.utils import parametrize

from bench.models.weights import outside_neurons
from bench.plugins import registry
from bench.synapses.base import Synapse


def put_synapses(model: nn.Module, name: str, params: Mapping[str, Any]) -> None:
    """Let every convolution and linear layer outside neurons use its weights through the synapse `name`.

    Raises UnknownNameError or ParameterError for a name or value that it does not take.
    """
    layers = [module for module in outside_neurons(model) if isinstance(module, _ConvNd | nn.Linear)]
    for layer in layers:
        harness = {"_weight": layer.weight, "_end": layer in (layers[0], layers[-1])}
        parametrize.register_parametrization(layer, "weight", registry.create("synapse", name, harness, **params))


def synapses_of(model: nn.Module) -> Iterator[tuple[Synapse, Tensor]]:
    """Yield each synapse of a network, with the stored weights that it is given."""
    for module in model.modules():
        if isinstance(module, parametrize.ParametrizationList):
            for synapse in module:
                if isinstance(synapse, Synapse):
                    yield synapse, module.original


def without_synapses(model: nn.Module) -> nn.Module:
    """Return a copy of a network with the weights that are used in place of the stored ones."""
    plain = copy.deepcopy(model)
    for layer in list(plain.modules()):
        if parametrize.is_parametrized(layer, "weight"):
            # torch's own way back takes `weight` from a class that the copy shares with the network itself.
            used: Any = layer.weight
            layer.__class__ = type(layer).__bases__[0]
            del layer.parametrizations
            layer.weight = nn.Parameter(used.detach().clone())
    return plain
