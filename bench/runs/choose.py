"""The path that a run's training steps take: neurons plain or fused, and plain again where fusing fails."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from bench.data.base import Dataset
from bench.measure.mode import measuring
from bench.neurons.base import Neuron
from bench.runs.assembly import Assembly
from bench.sequences import repeat, repeated_frame
from bench.suite.run_spec import RunSpec
from bench.train.machine.autocast import DTYPES, autocast
from bench.train.machine.device import is_out_of_memory
from bench.train.machine.path import ExecutionPath

# Fusing a neuron's time loop costs about half a minute; it pays from about this many pixels fed in training.
FUSE_FROM_PIXELS = 2e8


def choose_path(wanted: ExecutionPath, assembly: Assembly, samples: int) -> tuple[ExecutionPath, str | None]:
    """Set the network's neurons on their path; return the one taken and, where it is not the wanted one, why.

    "auto" is `automatic_path` for so many training samples.
    """
    if assembly.spec.train.portable and wanted not in ("auto", "plain"):
        return "plain", "compiled code depends on the processor: portable steps are plain"
    if wanted == "graphed" and assembly.spec.train.precision == "fp16":
        path, warning = choose_path("fused", assembly, samples)
        return path, warning or "steps in fp16 ask the host whether gradients overflowed, so they are not graphed"
    chosen = automatic_path(assembly.spec, assembly.dataset, samples) if wanted == "auto" else wanted
    if chosen == "plain":
        return "plain", None
    warning = fuse(assembly)
    if warning:
        return "plain", warning
    return chosen, None


def automatic_path(spec: RunSpec, dataset: Dataset, samples: int) -> ExecutionPath:
    """Return the path of a run that nobody chose one for: a pure function of spec and data, never of a timing."""
    if spec.train.portable:
        return "plain"
    height, width = dataset.image_size
    pixels = samples * spec.train.epochs * spec.timesteps * height * width
    return "fused" if spec.timesteps > 1 and pixels >= FUSE_FROM_PIXELS else "plain"


def fuse(assembly: Assembly) -> str | None:
    """Switch the neurons to their fused loop, or leave them plain where that fails and return why."""
    model, timesteps = assembly.model, assembly.spec.timesteps
    neurons = [module for module in model.modules() if isinstance(module, Neuron)]
    dtype = DTYPES.get(assembly.spec.train.precision, torch.float32)
    blank = torch.zeros(2, *assembly.dataset.sample_shape, device=assembly.device)
    currents = _currents(model, neurons, assembly.encoder.encode(blank, timesteps, torch.Generator()))
    for neuron in neurons:
        neuron.use_fused(True)
    try:
        kinds = {(type(neuron), repeated_frame(x) is None): (neuron, x) for neuron, x in currents.items()}
        for neuron, current in kinds.values():
            frame = repeated_frame(current)
            x = (current if frame is None else frame).to(dtype).requires_grad_()
            with autocast(assembly.device, assembly.spec.train.precision):  # as in a step: compiled once for both
                spikes = neuron(x if frame is None else repeat(x, timesteps))
            spikes.sum().backward()
    except RuntimeError as error:  # no compiler here, or one that fails
        if is_out_of_memory(error):
            raise
        for neuron in neurons:
            neuron.use_fused(False)
        reason = f"{type(error).__name__}: {error}".partition("\n")[0]
        return f"the neurons' loop could not be fused: {reason}"
    finally:
        model.zero_grad(set_to_none=True)
    return None


def _currents(model: nn.Module, neurons: list[Neuron], x: Tensor) -> dict[Neuron, Tensor]:
    """Return what every neuron is given when the model sees x [T, N, C, H, W]."""
    currents: dict[Neuron, Tensor] = {}

    def look(module: Any, args: Any) -> None:
        currents[module] = args[0]

    hooks = [neuron.register_forward_pre_hook(look) for neuron in neurons]
    with measuring(model):
        model(x)
    for hook in hooks:
        hook.remove()
    return currents
