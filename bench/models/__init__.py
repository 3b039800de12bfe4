"""Networks that take any neuron, one architecture family in one file, built by name.

A model is a class with a `name` and a keyword-only constructor. Arguments that start with an underscore come from the
harness (`_in_channels`, `_classes`, `_image_size` (height, width), `_neuron` (a function that makes one for so many
channels), `_batch_norm` ("folded" or "per-step")); the others are its parameters in a suite. It maps
x [T, N, C, H, W] to logits [T, N, classes] and raises ValueError for values that do not fit together.
"""

from __future__ import annotations

from bench.models.build import build_model
from bench.models.weights import neuron_parameters, synaptic_parameters, weights_digest

__all__ = ["build_model", "neuron_parameters", "synaptic_parameters", "weights_digest"]
