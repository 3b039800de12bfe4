"""SpikingJelly's estimators of energy on a drawn network, built of its own neurons, which have to spike as ours do."""

import warnings
from dataclasses import dataclass
from functools import cache

import torch
from torch import nn
from torch.nn import functional

from support.conforming.networks import TAU

VERSION = "2.0.0"


class Twin(nn.Module):
    """A drawn network of SpikingJelly's neurons; the layers see every timestep in one call, as its own do."""

    def __init__(self, drawn):
        super().__init__()
        from spikingjelly.activation_based import layer

        def made(step):
            if step.kernel is None:
                return layer.Linear(step.inputs, step.outputs, step.bias, step_mode="m")
            sizes = (step.kernel, step.stride, step.padding)
            return layer.Conv2d(step.inputs, step.outputs, *sizes, bias=step.bias, step_mode="m")

        self.layers = nn.ModuleList(map(made, drawn.steps))
        self.number = len(drawn.steps) - (not drawn.ends_in_neurons)
        spiking = drawn.neuron != "relu" and self.number  # an empty list is a module that its Lemaire model refuses
        self.neurons = nn.ModuleList(node(drawn.neuron) for _ in range(self.number)) if spiking else None
        drawn.fill(self.layers)

    def forward(self, x):
        for index, layer in enumerate(self.layers):
            x = layer(x if isinstance(layer, nn.Conv2d) else x.flatten(2))
            if index < self.number:
                x = functional.relu(x) if self.neurons is None else self.neurons[index](x)
        return x


def node(name):
    """SpikingJelly's neuron of this name, in multi-step mode."""
    from spikingjelly.activation_based import neuron

    if name == "if":
        return neuron.IFNode(v_reset=None, step_mode="m")
    return neuron.LIFNode(tau=TAU, decay_input=False, v_reset=0.0 if name == "lif-hard" else None, step_mode="m")


@dataclass(frozen=True)
class Estimates:
    """Picojoule per sample by SpikingJelly's models, and what else of its reports is needed to explain them.

    simple: the whole of MACs, ACs and memory in fp32.  compute: of it MACs and ACs alone, by precision.  spikesim: None
    where the network has no convolution.  neuromc: None of a network of ReLU, which it refuses.  neuron_acs: additions
    per sample that its trace finds in neurons.
    """

    lemaire: float
    simple: float
    compute: dict[str, float]
    spikesim: float | None
    neuromc: float | None
    neuron_acs: float


@cache
def by_spikingjelly(drawn):
    """Run every estimator on a drawn network, each on a fresh copy, and check that it spikes as ours."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what it warns about at import is its own affair
        from spikingjelly.activation_based import op_counter as models

    def run(estimate, **options):
        with torch.no_grad():
            return estimate(Twin(drawn).eval(), drawn.x, **options)

    with torch.no_grad():
        assert torch.equal(Twin(drawn).eval()(drawn.x), drawn.network(drawn.x)), "other spikes than ours"
    cost = models.SimpleEnergyCostConfig
    simple = {
        name: run(models.estimate_simple_energy, config=models.SimpleEnergyConfig(cost_config=preset()))
        for name, preset in (("fp32", cost.fp32), ("fp16", cost.fp16), ("int8", cost.int8))
    }
    convolves, relu = any(step.kernel for step in drawn.steps), drawn.neuron == "relu"
    n = drawn.samples
    return Estimates(
        lemaire=run(models.estimate_lemaire_energy).total_pj / n,
        simple=simple["fp32"].energy_total_pj / n,
        compute={name: report.energy_compute_pj / n for name, report in simple.items()},
        spikesim=run(models.estimate_spikesim_energy).energy_total_pj / n if convolves else None,
        neuromc=None if relu else run(models.estimate_neuromc_runtime_energy).energy_total_pj / n,
        neuron_acs=(simple["fp32"].counts["ac"] - simple["fp32"].counts["synop"]) / n,
    )
