"""What counting yields and energy takes: layers, neurons, other operations. No torch."""

from __future__ import annotations

import math
import operator
from typing import Annotated, Literal

from pydantic import Field, model_validator

from bench.records.bounds import MOST_TIMESTEPS, Number, Operations, Part, Shape, Size, Total, Word
from bench.records.source import InputKind

WeightKind = Literal["binary", "ternary"]

# A whole number but where some samples take another branch of the network.
Passes = Size | Annotated[float, Field(gt=0.0, le=1e60, allow_inf_nan=False)]


def _none(value: object) -> bool:
    return value is None


ByTimestepTotal = Annotated[list[Total], Field(min_length=1, max_length=MOST_TIMESTEPS)]

Column = Literal["bias", "norm", "pooling", "residual", "encoder", "readout"]


class LayerCount(Part):
    """The work of one synaptic layer over an evaluation.

    Totals are exact integers over all `Counts.samples` and all timesteps; the `_per_sample` properties divide them.
    """

    name: Word
    kind: Word  # "conv2d", "linear", ...
    input_kind: InputKind
    weight_shape: Annotated[Shape, Field(min_length=2)]
    input_shape: Shape  # of one sample at one timestep
    output_shape: Annotated[Shape, Field(min_length=1)]  # of one sample at one timestep
    stride: Annotated[tuple[Size, ...], Field(max_length=8)] = ()
    groups: Size = 1
    has_bias: bool  # its own, or that of a batch norm folded into it
    samples: Size
    timesteps: Passes  # how many times a sample passes through the layer
    dense_macs_total: Total  # padding taps included (fvcore's convention)
    dense_macs_valid_total: Total  # padding taps excluded
    effective_synops_total: Total  # every (non-zero input, weight) pair
    input_nonzero_total: Total
    input_unit: Number | None = None  # graded inputs: the value of one level
    input_levels: Total | None = None  # graded inputs: the highest level seen
    graded_acs_total: Total | None = None  # graded inputs: synops weighted by level
    network_input: bool = Field(default=False, exclude_if=operator.not_)  # its input is the network's own, as an image
    static_input: bool = False  # sees the same input at every timestep, so one pass could be cached
    second_kind: InputKind | None = Field(default=None, exclude_if=_none)  # of what it meets, where that is no weight
    input_bits: Size | None = Field(default=None, exclude_if=_none)  # of analog input that is quantised
    weight_bits: Size | None = Field(default=None, exclude_if=_none)  # of weights that are quantised
    zero_weights: Total = Field(default=0, exclude_if=operator.not_)
    weight_kind: WeightKind | None = Field(default=None, exclude_if=_none)  # one magnitude an output: no multiplier
    synops_without_zero_weights_total: Total | None = Field(default=None, exclude_if=_none)  # where weights are zero
    # The totals timestep by timestep, where all samples take several and they could be told apart.
    effective_synops_by_timestep: ByTimestepTotal | None = Field(default=None, exclude_if=_none)
    input_nonzero_by_timestep: ByTimestepTotal | None = Field(default=None, exclude_if=_none)
    graded_acs_by_timestep: ByTimestepTotal | None = Field(default=None, exclude_if=_none)

    @model_validator(mode="after")
    def _stride_of_every_axis(self) -> LayerCount:
        if self.kind.startswith("conv") and len(self.stride) != len(self.weight_shape) - 2:
            raise ValueError("a convolution has as many strides as its kernel has axes")
        return self

    @model_validator(mode="after")
    def _timesteps_add_up(self) -> LayerCount:
        _add_up(self, "effective_synops", "input_nonzero", "graded_acs")
        return self

    @property
    def dense_macs_per_sample(self) -> float:
        """MACs as if nothing were zero, padding included, summed over timesteps."""
        return self.dense_macs_total / self.samples

    @property
    def dense_macs_valid_per_sample(self) -> float:
        """MACs as if nothing were zero, padding taps excluded, summed over timesteps."""
        return self.dense_macs_valid_total / self.samples

    @property
    def effective_synops_per_sample(self) -> float:
        """(non-zero input, weight) pairs per sample, summed over timesteps."""
        return self.effective_synops_total / self.samples

    @property
    def input_density_fraction(self) -> float:
        """Share of the inputs that are not zero."""
        return self.input_nonzero_total / (self.samples * self.timesteps * math.prod(self.input_shape))

    @property
    def zero_weights_fraction(self) -> float:
        """Share of the weights that are zero."""
        return self.zero_weights / math.prod(self.weight_shape)

    @property
    def silent(self) -> bool:
        """Whether the layer never saw a non-zero input: broken rather than cheap."""
        return self.input_nonzero_total == 0


class NeuronCount(Part):
    """The activity and the update cost of one neuron layer."""

    name: Word
    neuron: Word  # "lif", "relu", ...
    spiking: bool
    units: Size  # neurons per sample
    samples: Size
    timesteps: Passes
    spikes_total: Total  # non-zero outputs over all samples and timesteps
    ops_per_update: Operations  # per neuron and timestep: {"mul": 2, "add": 1, ...}
    state_words: Total  # state variables read and written per neuron and timestep
    parameters: dict[Word, list[Number]] = {}  # learnable parameters after training, as PLIF's
    spikes_by_timestep: ByTimestepTotal | None = Field(default=None, exclude_if=_none)  # as those of a layer

    @model_validator(mode="after")
    def _timesteps_add_up(self) -> NeuronCount:
        _add_up(self, "spikes")
        return self

    @property
    def firing_rate_by_timestep(self) -> list[float] | None:
        """Spikes per neuron at each timestep; None where timesteps were not told apart."""
        if self.timesteps == 1:
            return [self.firing_rate]
        each = self.spikes_by_timestep
        return None if each is None else [spikes / (self.units * self.samples) for spikes in each]

    @property
    def firing_rate(self) -> float:
        """Spikes per neuron per timestep (for a neuron that does not spike: the share of non-zero outputs)."""
        return self.spikes_total / (self.units * self.samples * self.timesteps)

    @property
    def spikes_per_sample(self) -> float:
        """Spikes per sample, summed over timesteps."""
        return self.spikes_total / self.samples

    @property
    def idle_updates_per_sample(self) -> float:
        """Updates per sample that end in no spike, summed over timesteps."""
        return self.units * self.timesteps - self.spikes_per_sample

    @property
    def address_bits(self) -> int:
        """Bits that tell a neuron of the layer from the others, which an event has to carry: ceil(log2(units))."""
        return max(1, (self.units - 1).bit_length())

    @property
    def address_bits_per_sample(self) -> float:
        """Address bits of all events per sample, summed over timesteps."""
        return self.spikes_per_sample * self.address_bits

    @property
    def resets_per_sample(self) -> int:
        """State words that are cleared before a sample."""
        return self.units * self.state_words


def _add_up(count: LayerCount | NeuronCount, *names: str) -> None:
    for name in names:
        each, total = getattr(count, f"{name}_by_timestep"), getattr(count, f"{name}_total")
        if each is not None and sum(each) != total:
            raise ValueError(f"{name}_by_timestep: adds up to {sum(each)}, not to {name}_total, {total}")


class OtherOps(Part):
    """Operations outside synapses and neurons, per sample and summed over timesteps."""

    name: Word
    column: Column
    ops_per_sample: Operations  # {"add": ..., "mul": ..., "compare": ...}


class Counts(Part):
    """All that was counted of a network on `samples` test samples."""

    samples: int
    timesteps: int
    layers: list[LayerCount]
    neurons: list[NeuronCount]
    other_ops: list[OtherOps]
    not_counted: list[str] = []  # modules whose work is not in the numbers, named
    synapses_not_counted: list[str] | None = None  # those of them that sum products; None: it is not known which
    dense_macs_missed_total: int | None = None  # dense MACs of these, over all samples; None: not known
    reasons: dict[str, str] = {}  # why the input of a layer is of its kind, by layer
    warnings: list[str] = []  # what may be wrong with the numbers

    @property
    def firing_rate(self) -> float | None:
        """Spikes per spiking neuron per timestep over the whole network; None where nothing spikes."""
        spiking = [n for n in self.neurons if n.spiking]
        slots = sum(n.units * n.samples * n.timesteps for n in spiking)
        return sum(n.spikes_total for n in spiking) / slots if slots else None

    @property
    def effective_synops_per_sample(self) -> float:
        """(non-zero input, weight) pairs per sample over all layers and timesteps."""
        return sum(layer.effective_synops_per_sample for layer in self.layers)

    @property
    def dense_macs_per_sample(self) -> float:
        """Dense MACs per sample over all layers and timesteps, padding included."""
        return sum(layer.dense_macs_per_sample for layer in self.layers)

    @property
    def coverage_fraction(self) -> float | None:
        """Share of the dense MACs that was counted; None where it is not known how many were not."""
        if not self.not_counted:
            return 1.0
        if self.synapses_not_counted is None or set(self.not_counted) != set(self.synapses_not_counted):
            return None  # what is not known may sum products too
        counted = sum(layer.dense_macs_total for layer in self.layers)
        missed = self.dense_macs_missed_total
        return counted / (counted + missed) if missed is not None and counted + missed else None
