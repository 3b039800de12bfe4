"""How much work a run is, before any of it is done: what is begun first, and what a schedule is planned from."""

from __future__ import annotations

import functools
import math

from bench.suite.fields import PluginSpec
from bench.suite.run_spec import RunSpec


def work_of(spec: RunSpec) -> float:
    """Return the dense MACs of all forward passes in training: T x epochs x samples x those of one timestep."""
    macs, samples = _of_a_sample(_without_seed(spec))
    kept = 1.0 - spec.dataset.validation_fraction
    return float(macs) * samples * kept * spec.train.epochs


def macs_per_sample(spec: RunSpec) -> int:
    """Return the dense MACs of one sample, over all timesteps, in convolutions and linear layers.

    Those of the same network with ReLU, which are the same, run without data and without weights. Of a network that
    cannot be run so, the number of its inputs stands for them.
    """
    return _of_a_sample(_without_seed(spec))[0]


def samples_of(spec: RunSpec) -> tuple[int, int]:
    """Return how many samples a run trains on in an epoch, and how many it then tests."""
    from bench.runs.assembly import make_dataset

    dataset = make_dataset(spec)
    return round(dataset.train_samples * (1.0 - spec.dataset.validation_fraction)), dataset.test_samples


def _without_seed(spec: RunSpec) -> str:
    alike = spec.model_copy(
        update={
            "seed": 0,
            "neuron": PluginSpec(name="relu"),
            "train": spec.train.model_copy(update={"gradient": "time", "epochs": 1}),
        }
    )
    return alike.model_dump_json()


@functools.cache
def _of_a_sample(spec_json: str) -> tuple[int, int]:
    """Return (dense MACs of a sample, training samples)."""
    import torch

    from bench.measure.counting.geometry import SYNAPTIC
    from bench.runs.assembly import assemble
    from bench.runs.weightless import weightless

    spec = RunSpec.model_validate_json(spec_json)
    with weightless():
        assembly = assemble(spec)
    macs = 0

    def hear(layer: torch.nn.Module, inputs: object, output: torch.Tensor) -> None:
        nonlocal macs
        weight = layer.weight  # no parameter where it is made of one, as a quantised one is
        assert isinstance(weight, torch.Tensor)
        macs += output.numel() * weight[0].numel()

    for layer in assembly.model.modules():
        if isinstance(layer, SYNAPTIC):
            layer.register_forward_hook(hear)
    shape = assembly.dataset.sample_shape
    try:
        with torch.no_grad():
            assembly.model.eval()(assembly.encode(torch.empty((1, *shape), device="meta"), 0, 0))
    except RuntimeError:  # an operation that looks at values
        return math.prod(shape) * spec.timesteps, assembly.dataset.train_samples
    return macs, assembly.dataset.train_samples
