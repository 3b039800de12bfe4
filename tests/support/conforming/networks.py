"""Small random networks that every peer can express: convolutions, linear layers and IF or LIF neurons, in a chain.

A network is a function of its seed alone. Weights are multiples of a power of two, so that sums of them are exact and
the same neurons spike in every library.
"""

import math
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import nn

from bench.measure.counting.count import count_operations
from bench.models.layers import Conv2d, Linear
from bench.neurons.if_ import IF
from bench.neurons.lif import LIF
from bench.neurons.relu import ReLU

TAU = 2.0  # timesteps; a leak of one half is exact
NEURONS = {"if": IF, "lif": lambda: LIF(tau=TAU), "lif-hard": lambda: LIF(tau=TAU, reset="hard"), "relu": ReLU}
# What a network sees, and how often each is drawn of ten: spikes, an image at every timestep, an image once (an ANN).
KINDS = {"spikes": 6, "images": 2, "ann": 2}


@dataclass(frozen=True)
class Step:
    """One synaptic layer: a square convolution where `kernel` is given, else linear."""

    inputs: int  # channels or features
    outputs: int
    kernel: int | None = None
    stride: int = 1
    padding: int = 0
    bias: bool = True

    def module(self):
        """The layer over sequences [T, N, ...]."""
        if self.kernel is None:
            return Linear(self.inputs, self.outputs, bias=self.bias)
        return Conv2d(self.inputs, self.outputs, self.kernel, self.stride, self.padding, bias=self.bias)


@dataclass(frozen=True)
class Drawn:
    """A network and what it is shown.

    channels, size: of the input, size its side in pixels.  rate: share of ones in spikes that come in.
    ends_in_neurons: whether the last layer has neurons behind it; every other one has.
    """

    seed: int
    kind: str
    neuron: str
    timesteps: int
    samples: int
    channels: int
    size: int
    rate: float
    steps: tuple[Step, ...]
    ends_in_neurons: bool

    @cached_property
    def weights(self):
        """Weights and biases of each layer, [(weight, bias or None)]: whole multiples of a power of two, none zero."""
        generator = torch.Generator().manual_seed(self.seed)
        found = []
        for index, step in enumerate(self.steps):
            layer = step.module()
            active = layer.weight[0].numel() * (0.2 if index else max(self.rate, 0.1))  # inputs of one output
            unit = 2.0 ** -round(2.5 + math.log2(max(1.0, active)) / 2)
            found.append((draw_weight(layer.weight, generator) * unit, None))
            if step.bias:
                found[-1] = (found[-1][0], draw_weight(layer.bias, generator) * unit)
        return found

    @cached_property
    def x(self):
        """The input [T, N, C, H, W]: spikes, or an image of multiples of 1/16 that is repeated over T."""
        generator = torch.Generator().manual_seed(self.seed + 1)
        shape = (self.samples, self.channels, self.size, self.size)
        if self.kind == "spikes":
            return (torch.rand(self.timesteps, *shape, generator=generator) < self.rate).float()
        image = torch.randint(-8, 17, shape, generator=generator) / 16
        return image.expand(self.timesteps, *shape).contiguous()

    def fill(self, layers):
        """Give some layers, in order, this network's weights."""
        with torch.no_grad():
            for layer, (weight, bias) in zip(layers, self.weights, strict=True):
                layer.weight.copy_(weight)
                if bias is not None:
                    layer.bias.copy_(bias)

    @cached_property
    def network(self):
        """This network with this project's neurons."""
        network = Chain([step.module() for step in self.steps], NEURONS[self.neuron], self.ends_in_neurons).eval()
        self.fill(network.layers)
        return network

    @cached_property
    def counts(self):
        """What this project counts of it."""
        kind = "binary" if self.kind == "spikes" else "analog"
        return count_operations(self.network, [self.x], input_kind=kind, layout="TN")

    @cached_property
    def matrices(self):
        """Every layer as a matrix [inputs, outputs]: what it makes of each input alone, without a bias."""
        shape, found = self.x.shape[2:], []
        with torch.no_grad():
            for layer in self.network.layers:
                shape = shape if isinstance(layer, nn.Conv2d) else torch.Size([shape.numel()])
                alone = torch.eye(shape.numel()).view(1, -1, *shape)
                out, none = layer(alone), layer(torch.zeros_like(alone))
                found.append((out - none).flatten(2)[0])
                shape = out.shape[2:]
        return found

    @cached_property
    def links(self):
        """Every counted layer, and the counted neurons behind it or None: [(LayerCount, NeuronCount or None)]."""
        behind = [*self.counts.neurons, *[None] * (not self.ends_in_neurons)]
        return list(zip(self.counts.layers, behind, strict=True))


class Chain(nn.Module):
    """Layers and neurons in turns, x [T, N, C, H, W]; what a linear layer sees is flattened first."""

    def __init__(self, layers, neuron, ends_in_neurons):
        super().__init__()
        self.layers = nn.ModuleList(layers)
        self.neurons = nn.ModuleList(neuron() for _ in range(len(layers) - (not ends_in_neurons)))

    def forward(self, x):
        for layer, neurons in self.pairs():
            x = layer(x if isinstance(layer, nn.Conv2d) else x.flatten(2))
            x = x if neurons is None else neurons(x)
        return x

    def pairs(self):
        """Each layer with its neurons, or None."""
        behind = [*self.neurons, *[None] * (len(self.layers) - len(self.neurons))]
        return zip(self.layers, behind, strict=True)


def draw_weight(like, generator):
    """Whole numbers of -6 to 9 without 0, more of them above it, so that spikes go on from layer to layer."""
    whole = torch.randint(-6, 9, like.shape, generator=generator)
    return (whole + (whole >= 0)).float()


def draw(seed, chip=False):
    """Draw a network. chip: one that a neuromorphic chip of spiking neurons alone can hold, without biases."""
    generator = torch.Generator().manual_seed(1000 + seed)

    def pick(*choices):
        return choices[int(torch.randint(len(choices), (1,), generator=generator))]

    kind = "spikes" if chip else pick(*(name for name, times in KINDS.items() for _ in range(times)))
    timesteps = 1 if kind == "ann" else pick(*range(1, 9))
    size, colours, bias = pick(6, 8, 10), pick(1, 2, 3), not chip and pick(True, False)
    side, channels, steps = size, colours, []
    for _ in range(pick(1, 2, 3)):
        kernel, stride, padding, outputs = pick(1, 3, 5), pick(1, 1, 2), pick(0, 1), pick(2, 4, 6, 8)
        if side + 2 * padding < kernel + stride:
            break
        steps.append(Step(channels, outputs, kernel, stride, padding, bias))
        channels, side = outputs, (side + 2 * padding - kernel) // stride + 1
    features = channels * side**2
    for outputs in (pick(16, 32), pick(5, 10))[-pick(1, 2) :]:
        steps.append(Step(features, outputs, bias=bias))
        features = outputs
    neuron = "relu" if kind == "ann" else "lif-hard" if chip else pick("if", "lif", "lif", "lif-hard")
    shape = (1 if chip else pick(1, 2, 3), colours, size)
    rate = pick(0.02, 0.05, 0.1, 0.2, 0.4, 0.6)
    ends = pick(True, False) or chip or len(steps) == 1
    return Drawn(seed, kind, neuron, timesteps, *shape, rate, tuple(steps), ends)


def networks(number, chip=False):
    """Draw so many networks, of the seeds 0, 1, 2 ..."""
    return [draw(seed, chip) for seed in range(number)]
