"""What a difference between two models is made of: named causes, each with its own formula in what was counted."""

import math
from dataclasses import dataclass
from functools import cache

from bench.energy.estimate import estimate_energy, load_table


@dataclass(frozen=True)
class Comparison:
    """One network under one of our tables and one model of others, picojoule per sample.

    ours: `estimate_energy`'s total.  theirs: what the other model says.  causes: name -> what adopting the other's
    convention in this one point adds to ours.
    """

    network: int
    kind: str
    ours: float
    theirs: float
    causes: dict[str, float]

    @property
    def residual(self):
        """What no cause explains, as a share of theirs, or of ours where theirs is 0."""
        left = self.theirs - self.ours - math.fsum(self.causes.values())
        return left / (self.theirs or self.ours)

    def changed_by(self, cause):
        """Whether a cause changes the number beyond rounding."""
        return abs(self.causes[cause]) > 1e-9 * self.ours


@dataclass(frozen=True)
class Sizes:
    """One layer, in words and per sample, summed over timesteps where it is no size."""

    layer: object  # LayerCount
    behind: object  # NeuronCount or None

    @property
    def linear(self):
        return self.layer.kind == "linear"

    @property
    def analog(self):
        """Whether every one of its operations is charged, zeros too."""
        return self.layer.input_kind == "analog"

    @property
    def spiking(self):
        """Whether spiking neurons are behind it."""
        return self.behind is not None and self.behind.spiking

    @property
    def leaks(self):
        return self.spiking and self.behind.neuron == "lif"

    @property
    def timesteps(self):
        return self.layer.timesteps

    @property
    def inputs(self):
        return math.prod(self.layer.input_shape)

    @property
    def outputs(self):
        return math.prod(self.layer.output_shape)

    @property
    def channels(self):
        """Output channels, or outputs of a linear layer."""
        return self.layer.weight_shape[0]

    @property
    def taps(self):
        """Weights of a kernel in one plane; 1 of a linear layer."""
        return math.prod(self.layer.weight_shape[2:])

    @property
    def weights(self):
        return math.prod(self.layer.weight_shape)

    @property
    def bias(self):
        return self.channels if self.layer.has_bias else 0

    @property
    def events(self):
        """Inputs that are not 0."""
        return self.layer.input_nonzero_total / self.layer.samples

    @property
    def met(self):
        """Weights that its events meet if every one meets a whole kernel."""
        return self.events * self.channels * self.taps

    @property
    def macs(self):
        return self.layer.dense_macs_per_sample

    @property
    def synops(self):
        return self.layer.effective_synops_per_sample

    @property
    def updates(self):
        """Outputs of all timesteps: updates of the neurons behind it, if any."""
        return self.outputs * self.timesteps

    @property
    def spikes_out(self):
        return self.behind.spikes_per_sample if self.spiking else 0.0


def sizes(drawn):
    """Every layer of a drawn network."""
    return [Sizes(*link) for link in drawn.links]


@cache
def energy(drawn, table):
    """This project's estimate of a drawn network."""
    return estimate_energy(drawn.counts, table)


@cache
def access(table):
    """The price in picojoule of one access to a memory of so many words, under a table of ours."""
    memory = load_table(table).memory
    return lambda words: memory.price.of(words * memory.word_bits / 8)


def other_table(drawn, table, base):
    """The cause that lies in the table: from ours to the one that the other causes are stated for."""
    before, after = energy(drawn, table), energy(drawn, base)
    return {} if table == base else {f"the prices of {base}": after.total_pj_per_sample - before.total_pj_per_sample}


def compared(drawn, table, theirs, causes):
    """Put one network's numbers together."""
    return Comparison(drawn.seed, drawn.kind, energy(drawn, table).total_pj_per_sample, theirs, causes)
