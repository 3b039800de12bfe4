"""How neurons run through time in training: plain or fused, and plain again where fusing fails."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from bench.data.base import Dataset
from bench.measure.evaluate import measuring
from bench.neurons.base import Neuron
from bench.spec import NeuronPath, RunSpec
from bench.train import AUTOCAST

# Fusing a neuron's time loop costs about half a minute; it pays from about this many pixels fed in training.
FUSE_FROM_PIXELS = 3e8


def choose_path(
    wanted: NeuronPath, model: nn.Module, spec: RunSpec, dataset: Dataset, device: torch.device
) -> tuple[str, str | None]:
    """Set the neurons of `model` on their path; return the one taken and, where it is not the wanted one, why.

    "auto" is a pure function of the spec, never of a timing.
    """
    fused = wanted == "fused" or (wanted == "auto" and _fusing_pays(spec, dataset))
    return fuse(model, spec, dataset, device) if fused else ("plain", None)


def _fusing_pays(spec: RunSpec, dataset: Dataset) -> bool:
    height, width = dataset.image_size
    pixels = dataset.train_samples * spec.train.epochs * spec.timesteps * height * width
    return spec.timesteps > 1 and pixels >= FUSE_FROM_PIXELS


def fuse(model: nn.Module, spec: RunSpec, dataset: Dataset, device: torch.device) -> tuple[str, str | None]:
    """Switch the neurons to their fused loop, or leave them plain where that fails: (path taken, why not)."""
    neurons = [module for module in model.modules() if isinstance(module, Neuron)]
    dtype = AUTOCAST.get(spec.train.precision, torch.float32)
    blank = torch.zeros(spec.timesteps, 2, dataset.in_channels, *dataset.image_size, device=device)
    shapes = _input_shapes(model, neurons, blank)
    for neuron in neurons:
        neuron.use_fused(True)
    try:
        for neuron in {type(neuron): neuron for neuron in neurons}.values():
            neuron(torch.zeros(shapes[neuron], dtype=dtype, device=device, requires_grad=True)).sum().backward()
    except RuntimeError as error:  # no compiler here, or one that fails
        for neuron in neurons:
            neuron.use_fused(False)
        reason = f"{type(error).__name__}: {error}".partition("\n")[0]
        return "plain", f"the neurons' loop could not be fused: {reason}"
    finally:
        model.zero_grad(set_to_none=True)
    return "fused", None


def _input_shapes(model: nn.Module, neurons: list[Neuron], x: Tensor) -> dict[Neuron, torch.Size]:
    shapes: dict[Neuron, torch.Size] = {}

    def look(module: Any, args: Any) -> None:
        shapes[module] = args[0].shape

    hooks = [neuron.register_forward_pre_hook(look) for neuron in neurons]
    with measuring(model):
        model(x)
    for hook in hooks:
        hook.remove()
    return shapes
