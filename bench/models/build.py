"""A network by name, with neurons, from a seed."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import nn

from bench.errors import ParameterError, nearest
from bench.models.layers import BATCH_NORM
from bench.models.site import Site
from bench.models.synapses import put_synapses
from bench.models.weights import initialise
from bench.neurons.base import make_factory
from bench.plugins import registry


def build_model(
    name: str,
    *,
    neuron: str | Callable[[], nn.Module],
    in_channels: int,
    classes: int,
    image_size: int | tuple[int, int] = 32,
    batch_norm: str = "folded",
    weight_seed: int | None = None,
    neuron_params: Mapping[str, Any] | None = None,
    synapse: Mapping[str, Any] | None = None,
    **params: Any,
) -> nn.Module:
    """Return the network `name`, which maps x [T, N, in_channels, height, width] to logits [T, N, classes].

    neuron: a neuron's name, with its parameters in `neuron_params`, or a function that makes a fresh one per call.
    image_size: pixels, one number or (height, width).  batch_norm: "folded" takes statistics over T and N together,
    "per-step" at each timestep.  weight_seed: the initial weights depend on it alone, not on the neuron, and torch's
    global generator is left as it was; None draws from the global generator.  synapse: what weights go through before
    they are used, its name and its parameters: `{"name": "lsq", "bits": 4}`.  params: parameters of the model.

    Raises UnknownNameError for an unknown model or neuron, ParameterError for a parameter or value it does not take.
    """
    info = registry.find("model", name)
    problems = info.problems(params)
    if batch_norm not in BATCH_NORM:
        problems["batch_norm"] = f"'{batch_norm}' is not a choice; {nearest(batch_norm, BATCH_NORM)}"
    if neuron_params and not isinstance(neuron, str):
        problems["neuron_params"] = "belong to a neuron given by name; put them into the function that makes it"
    if problems:
        raise ParameterError("\n".join(f"{key}: {message}" for key, message in problems.items()))
    factory = make_factory(neuron, **(neuron_params or {})) if isinstance(neuron, str) else lambda channels: neuron()
    height, width = (image_size, image_size) if isinstance(image_size, int) else image_size
    site = Site(in_channels, classes, (height, width), factory, batch_norm)
    # torch's layers draw initial weights when they are made; those draws must not reach the caller's generator. Layers
    # of a kind that `initialise` does not know keep them, so they come from the seed too.
    with torch.random.fork_rng(devices=[]):
        if weight_seed is not None:
            torch.default_generator.manual_seed(weight_seed)
        cls = _taking_site(name, info.load())
        with info.constructing():
            model: nn.Module = cls(**params, _site=site)
    initialise(model, weight_seed)
    if synapse is not None:
        put_synapses(model, synapse["name"], {key: value for key, value in synapse.items() if key != "name"})
    return model


def _taking_site(name: str, cls: Callable[..., nn.Module]) -> Callable[..., nn.Module]:
    kinds = {parameter: found.kind for parameter, found in inspect.signature(cls).parameters.items()}
    if "_site" not in kinds and inspect.Parameter.VAR_KEYWORD not in kinds.values():
        raise ParameterError(f"model '{name}': its constructor should take `_site`, a bench.models.Site, by keyword")
    return cls
