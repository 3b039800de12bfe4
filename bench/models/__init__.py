"""Networks that take any neuron, one architecture family in one file, built by name.

A model is a module class with a `name` and a keyword-only constructor: `_site` (a `Site`: channels and classes, image
size, the neuron and the batch norm to put in) comes from the harness, the other arguments are its parameters in a
suite, with their defaults. It maps x [T, N, C, H, W] to logits [T, N, classes] with the layers of
`bench.models.layers`, and raises ValueError for values that do not fit together. Outside this package it needs no
`name`: a suite calls it `package.module:Class`.
"""

from __future__ import annotations

from bench.models.build import build_model
from bench.models.site import Site
from bench.models.weights import neuron_parameters, synaptic_parameters, weights_digest

__all__ = ["Site", "build_model", "neuron_parameters", "synaptic_parameters", "weights_digest"]
