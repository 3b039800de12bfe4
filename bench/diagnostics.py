"""What is known of a trained network's neurons beyond counts: gradient through time, membrane, dead units. No torch."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Membrane(_Part):
    """The distribution of u - theta, as `Neuron.fire` receives it, and what the surrogate makes of it.

    An update is one unit of one sample at one timestep. The histogram has bins of equal width, closed below and open
    above, so that the bins from 0 on are the updates that fire.
    """

    updates: int
    mean: float
    standard_deviation: float
    bins_from: float
    bins_to: float
    histogram: list[int]  # updates per bin between bins_from and bins_to
    updates_below: int  # of bins_from
    updates_above: int  # at bins_to or above
    within_support_fraction: float  # surrogate derivative is not 0
    surrogate_active_fraction: float  # surrogate derivative is above 1 % of its height
    surrogate_mean_derivative: float


class LayerDiagnostics(_Part):
    """One layer of spiking neurons.

    `gradient_norm_by_timestep[k]` belongs to timestep k + 1: the loss of a sample is the cross-entropy of its logits of
    the last timestep alone, and the norm is the L2 norm over the layer of the gradient with respect to its input
    current x[k + 1], as the root mean square over samples.
    """

    name: str
    neuron: str  # "lif", "clif", ...
    units: int  # neurons per sample
    gradient_norm_by_timestep: list[float]
    dead_units: int  # never fire, over all samples and timesteps
    saturated_units: int  # fire at every timestep of every sample
    membrane: Membrane | None = None  # None: the neuron does not call `fire`

    @property
    def gradient_relative_by_timestep(self) -> list[float] | None:
        """The gradient norm relative to that at the last timestep; None where that is 0."""
        last = self.gradient_norm_by_timestep[-1]
        return [norm / last for norm in self.gradient_norm_by_timestep] if last else None

    @property
    def dead_fraction(self) -> float:
        """Share of the units that never fire."""
        return self.dead_units / self.units

    @property
    def saturated_fraction(self) -> float:
        """Share of the units that fire at every timestep of every sample."""
        return self.saturated_units / self.units


class Diagnostics(_Part):
    """The diagnostics of a network on its first `samples` test samples, layer by layer from input to output."""

    samples: int
    timesteps: int
    layers: list[LayerDiagnostics]
