"""The energy of one sample under one cost table, in picojoule, and the parts that it is made of."""

from __future__ import annotations

from dataclasses import dataclass

from bench.energy.table import CostTable


@dataclass(frozen=True, slots=True)
class LayerEnergy:
    """The synaptic energy of one layer, picojoule per sample, and the operations that it is made of."""

    name: str
    input_kind: str
    operation: str  # "ac" or "mac"
    operations_per_sample: float  # what `pj_per_sample` prices
    pj_per_sample: float | None  # under the rule chosen: dense or zero-skipping
    dense_pj_per_sample: float | None  # one MAC per dense MAC where analog; spiking layers as above
    zero_skipping_pj_per_sample: float | None  # one MAC per effective synop where analog; spiking layers as above
    effective_mac_pj_per_sample: float | None  # one MAC per effective synop, whatever the kind
    cached_pj_per_sample: float | None  # `pj_per_sample`, computed once where the input is the same at every timestep
    memory_pj_per_sample: float | None  # of its accesses; None where the table does not price memory
    addressing_pj_per_sample: float | None  # None where the table does not price addressing


@dataclass(frozen=True, slots=True)
class NeuronEnergy:
    """The update energy of one neuron layer, picojoule per sample."""

    name: str
    neuron: str
    pj_per_sample: float | None


@dataclass(frozen=True, slots=True)
class EnergyBreakdown:
    """The energy of one sample, all timesteps, under one table.

    `synapse_pj_per_sample` and every total follow the rule that was chosen, dense by default, for analog layers; the
    `_dense_` and `_zero_skipping_` figures are there under either. A total is None where an operation has no price
    (`unpriced` names it) or work was not counted (`not_counted` names it), the figures of the synapses where that work
    sums products. What there is a price for is then a lower bound, `at_least_pj_per_sample`, without `left_out`.
    Memory and addressing are None where they are outside the table's scope; a total then leaves them out, as
    `table.scope` says. Neurons and bias are None where the price of an accumulate or an update contains them
    (`table.included`). The routing of spikes is addressing.
    """

    table: CostTable
    zero_skipping: bool
    synapse_pj_per_sample: float | None
    synapse_dense_pj_per_sample: float | None
    synapse_zero_skipping_pj_per_sample: float | None
    bias_pj_per_sample: float | None
    norm_pj_per_sample: float | None
    pooling_pj_per_sample: float | None
    residual_pj_per_sample: float | None
    encoder_pj_per_sample: float | None
    readout_pj_per_sample: float | None
    neuron_pj_per_sample: float | None
    memory_pj_per_sample: float | None
    addressing_pj_per_sample: float | None
    per_spike_pj_per_sample: float | None  # the part of a total that is taken to grow with the firing rate
    per_spike_dense_pj_per_sample: float | None
    per_spike_zero_skipping_pj_per_sample: float | None  # another one where weights are zero
    total_pj_per_sample: float | None
    total_dense_pj_per_sample: float | None
    total_zero_skipping_pj_per_sample: float | None
    total_cached_pj_per_sample: float | None  # layers whose input never changes over T are computed once
    total_sigmoid_free_pj_per_sample: float | None  # the price of a sigmoid is an assumption: at 0 ...
    total_sigmoid_tenfold_pj_per_sample: float | None  # ... and at 10 times it
    layers: tuple[LayerEnergy, ...]
    neurons: tuple[NeuronEnergy, ...]
    unpriced: tuple[str, ...]
    not_counted: tuple[str, ...]
    at_least_pj_per_sample: float = 0.0  # what was counted and has a price: a lower bound where a total is None
    synapse_at_least_pj_per_sample: float = 0.0

    @property
    def left_out(self) -> tuple[str, ...]:
        """What is not in `at_least_pj_per_sample`, which is the total where this is empty."""
        return (*self.unpriced, *self.not_counted)

    def figure(self, what: str, mode: str) -> float | None:
        """Return `total`, `synapse` or `per_spike` (what), `dense` or `zero_skipping` (mode)."""
        value: float | None = getattr(self, f"{what}_{mode}_pj_per_sample")
        return value

    @property
    def parts(self) -> dict[str, float | None]:
        """What the total is made of under the rule chosen, by name; a part outside the table's scope is None."""
        return {
            "synapse": self.synapse_pj_per_sample,
            "bias": self.bias_pj_per_sample,
            "norm": self.norm_pj_per_sample,
            "pooling": self.pooling_pj_per_sample,
            "residual": self.residual_pj_per_sample,
            "encoder": self.encoder_pj_per_sample,
            "readout": self.readout_pj_per_sample,
            "neuron": self.neuron_pj_per_sample,
            "memory": self.memory_pj_per_sample,
            "addressing": self.addressing_pj_per_sample,
        }
