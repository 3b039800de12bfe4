"""A chip that computes the spiking part of a network, with all else priced by another table.

What a chip's table prices: layers whose input is not analog, neurons that spike, and biases that its prices contain.
The stem of an image, pooling, batch norm, residual sums, encoder and readout go to the table that it names as its
`rest`, and so does a network without spikes, whole.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any, TypeVar

from bench.energy.breakdown import EnergyBreakdown, LayerEnergy, NeuronEnergy
from bench.energy.costs import add_up
from bench.energy.table import CostTable
from bench.records.counts import Counts, LayerCount, OtherOps

_Part = TypeVar("_Part")


def spikes(counts: Counts) -> bool:
    """Whether some neuron of the network spikes."""
    return any(neuron.spiking for neuron in counts.neurons)


def synaptic_prices(counts: Counts, table: CostTable) -> Mapping[str, float]:
    """Return picojoule per synaptic operation of a network: in a hybrid, only accumulates of spikes are the chip's."""
    rest = table.rest_table
    if rest is None:
        return table.operation_pj
    own = {name: pj for name, pj in table.operation_pj.items() if name == "ac"} if spikes(counts) else {}
    return {**rest.operation_pj, **own}


def divided(counts: Counts, chip: CostTable) -> tuple[Counts, Counts]:
    """Return the part of a network with spikes that is the chip's, and the rest."""
    named = {layer.name for layer in counts.layers if _on_chip(layer)}

    def contained(other: OtherOps) -> bool:
        return other.column == "bias" and "bias" in chip.included and other.name in named

    def part(own: bool) -> Counts:
        return counts.model_copy(
            update={
                "layers": [layer for layer in counts.layers if _on_chip(layer) is own],
                "neurons": [neuron for neuron in counts.neurons if neuron.spiking is own],
                "other_ops": [other for other in counts.other_ops if contained(other) is own],
            }
        )

    return part(True), part(False)


def _on_chip(layer: LayerCount) -> bool:
    return layer.input_kind != "analog"


def together(counts: Counts, chip: EnergyBreakdown, rest: EnergyBreakdown) -> EnergyBreakdown:
    """Return the energy of both parts of `counts`, pJ per sample, under the chip's table. None stays None in a sum."""

    def both(field: str) -> float | None:
        return add_up([getattr(chip, field), getattr(rest, field)])

    included, added = chip.table.included, {field: both(field) for field in _ADDED}
    changes: dict[str, Any] = dict(
        added,
        bias_pj_per_sample=_beside("bias" in included, chip.bias_pj_per_sample, rest.bias_pj_per_sample),
        neuron_pj_per_sample=_beside("neuron" in included, chip.neuron_pj_per_sample, rest.neuron_pj_per_sample),
        memory_pj_per_sample=_in_scope(chip.memory_pj_per_sample, rest.memory_pj_per_sample),
        addressing_pj_per_sample=_in_scope(chip.addressing_pj_per_sample, rest.addressing_pj_per_sample),
        layers=tuple(_layers(counts, chip, rest)),
        neurons=tuple(_neurons(counts, chip, rest)),
        unpriced=tuple(dict.fromkeys([*chip.unpriced, *rest.unpriced])),
        at_least_pj_per_sample=chip.at_least_pj_per_sample + rest.at_least_pj_per_sample,
        synapse_at_least_pj_per_sample=chip.synapse_at_least_pj_per_sample + rest.synapse_at_least_pj_per_sample,
    )
    return replace(chip, **changes)


_ADDED = tuple(
    f"{name}_pj_per_sample"
    for name in (
        *("synapse", "synapse_dense", "synapse_zero_skipping"),
        *("norm", "pooling", "residual", "encoder", "readout"),
        *("per_spike", "per_spike_dense", "per_spike_zero_skipping"),
        *("total", "total_dense", "total_zero_skipping", "total_cached", "total_sigmoid_free", "total_sigmoid_tenfold"),
    )
)


def _beside(contained: bool, chip: float | None, rest: float | None) -> float | None:
    """Return the sum; where the chip's price of something else contains its part, what the rest adds, if anything."""
    return rest or None if contained else add_up([chip, rest])


def _in_scope(*parts: float | None) -> float | None:
    """Return the sum of what is in the scope of either table; None where it is in neither."""
    found = [part for part in parts if part is not None]
    return sum(found) if found else None


def _layers(counts: Counts, chip: EnergyBreakdown, rest: EnergyBreakdown) -> Iterator[LayerEnergy]:
    return _in_order(map(_on_chip, counts.layers), chip.layers, rest.layers)


def _neurons(counts: Counts, chip: EnergyBreakdown, rest: EnergyBreakdown) -> Iterator[NeuronEnergy]:
    return _in_order((neuron.spiking for neuron in counts.neurons), chip.neurons, rest.neurons)


def _in_order(chosen: Iterable[bool], first: Iterable[_Part], second: Iterable[_Part]) -> Iterator[_Part]:
    """Yield from the one or the other, as they were in the network."""
    sources = {True: iter(first), False: iter(second)}
    return (next(sources[one]) for one in chosen)
