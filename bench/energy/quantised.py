"""A conventional network with as many activation levels as a spiking one has spike counts, priced analytically.

T binary spikes tell T + 1 values, so a fair opponent has ceil(log2(T + 1))-bit activations (Yan et al. 2024,
arXiv:2409.08290). Nothing is trained or counted anew: the counts are those of the network as it is, and in the table
the multiplication of a MAC and the accesses to activations shrink in proportion to their bits. Weights, accumulates
and everything else keep their price, and so does a layer that sees the network's own input: the spiking network is
charged for the same pixels in full.
"""

from __future__ import annotations

from bench.energy.estimate import EnergyBreakdown, estimate_energy
from bench.energy.narrow import narrowed
from bench.energy.table import CostTable
from bench.records.counts import Counts


def activation_bits(timesteps: int) -> int:
    """Return ceil(log2(T + 1)), the bits that tell apart 0 to T spikes.

    >>> [activation_bits(timesteps) for timesteps in (1, 3, 4, 6, 7, 8)]
    [1, 2, 3, 3, 3, 4]
    """
    return timesteps.bit_length()


def estimate_quantised(counts: Counts, table: CostTable, timesteps: int) -> EnergyBreakdown | None:
    """Return the energy of a conventional network with activations to match `timesteps` spikes.

    A layer that sees the network's own input may see anything, as counts of events: it is charged in full. None where
    the counts are of a network with spikes or of one that is quantised, or the table cannot price one.
    """
    within = [layer for layer in counts.layers if not layer.network_input]
    if any(layer.input_kind != "analog" for layer in within) or any(n.spiking for n in counts.neurons):
        return None
    if any(layer.input_bits is not None for layer in counts.layers):
        return None  # it has been quantised, and is charged for that
    table = table.rest_table or table  # of a hybrid, that of networks without spikes
    narrow = narrowed(table, activation_bits(timesteps), outputs_too=True)
    return None if narrow is None else estimate_energy(counts, narrow, network_input_table=table)
