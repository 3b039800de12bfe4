"""What is known of a trained network's neurons beyond counts: gradient through time, membrane, dead units. No torch."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from bench.records.bounds import MOST_LAYERS, MOST_TIMESTEPS, Amount, Number, Part, Share, Size, Total, Word

_NO_GRADIENT = 1e-100  # far below what float32 holds


class Membrane(Part):
    """The distribution of u - theta, as `Neuron.fire` receives it, and what the surrogate makes of it.

    An update is one unit of one sample at one timestep. The histogram has bins of equal width, closed below and open
    above, so that the bins from 0 on are the updates that fire.
    """

    updates: Size
    mean: Number
    standard_deviation: Amount
    bins_from: Number
    bins_to: Number
    histogram: Annotated[list[Total], Field(max_length=10_000)]  # updates per bin between bins_from and bins_to
    updates_below: Total  # of bins_from
    updates_above: Total  # at bins_to or above
    within_support_fraction: Share  # surrogate derivative is not 0
    surrogate_active_fraction: Share  # surrogate derivative is above 1 % of its height
    surrogate_mean_derivative: Number


class LayerDiagnostics(Part):
    """One layer of spiking neurons.

    `gradient_norm_by_timestep[k]` belongs to timestep k + 1: the loss of a sample is the cross-entropy of its logits of
    the last timestep alone, and the norm is the L2 norm over the layer of the gradient with respect to its input
    current x[k + 1], as the root mean square over samples.
    """

    name: Word
    neuron: Word  # "lif", "clif", ...
    units: Size  # neurons per sample
    gradient_norm_by_timestep: Annotated[list[Amount], Field(min_length=1, max_length=MOST_TIMESTEPS)]
    dead_units: Total  # never fire, over all samples and timesteps
    saturated_units: Total  # fire at every timestep of every sample
    membrane: Membrane | None = None  # None: the neuron does not call `fire`

    @property
    def gradient_relative_by_timestep(self) -> list[float] | None:
        """The gradient norm relative to that at the last timestep; None where that is 0."""
        last = self.gradient_norm_by_timestep[-1]
        return [norm / last for norm in self.gradient_norm_by_timestep] if last > _NO_GRADIENT else None

    @property
    def dead_fraction(self) -> float:
        """Share of the units that never fire."""
        return self.dead_units / self.units

    @property
    def saturated_fraction(self) -> float:
        """Share of the units that fire at every timestep of every sample."""
        return self.saturated_units / self.units


class Diagnostics(Part):
    """The diagnostics of a network on its first `samples` test samples, layer by layer from input to output."""

    samples: Size
    timesteps: Size
    layers: Annotated[list[LayerDiagnostics], Field(max_length=MOST_LAYERS)]
