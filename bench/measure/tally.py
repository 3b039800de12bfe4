"""What one layer's diagnostics are made of: gradients, spikes and membrane potentials, summed over batches."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from bench.errors import RunFailedError
from bench.measure.watch import Call
from bench.records.diagnostics import LayerDiagnostics, Membrane

BINS_FROM, BINS_PER_UNIT, BINS = -3.0, 8, 48  # of u - theta; powers of two, so that every edge is exact
NEGLIGIBLE = 0.01  # of a surrogate's height, 1


class Tally:
    """Sums over the batches of one layer, in float64."""

    def __init__(self, name: str, call: Call) -> None:
        timesteps, _, *shape = call.current.shape
        self.name, self.neuron, self.units = name, call.word, math.prod(shape)
        self.samples, self.timesteps = 0, timesteps
        device = call.current.device
        self.gradient_squares = torch.zeros(timesteps, dtype=torch.float64, device=device)
        self.spikes = torch.zeros(self.units, dtype=torch.int64, device=device)
        self.bins = torch.zeros(BINS + 2, dtype=torch.int64, device=device)
        # Of u, u^2, derivative, derivative not 0, derivative not negligible.
        self.sums = torch.zeros(5, dtype=torch.float64, device=device)
        self.updates = 0

    def add(self, call: Call, gradient: Tensor | None) -> None:
        """Add one call's sums; `gradient`: of the loss with respect to its current, None where none flows."""
        self.samples += call.current.shape[1]
        if gradient is not None:
            self.gradient_squares += gradient.double().square().flatten(1).sum(1)
        self.spikes += (call.spikes != 0).flatten(2).sum((0, 1)) if self.units > 1 else (call.spikes != 0).sum()
        for u, derivative in call.fired:
            self._add_membrane(u, derivative)

    def _add_membrane(self, u: Tensor, derivative: Tensor) -> None:
        if not bool(u.isfinite().all()):
            raise RunFailedError(f"{self.name}: membrane potentials are not finite")
        place = (u.flatten() * BINS_PER_UNIT).floor() - BINS_FROM * BINS_PER_UNIT
        self.bins += torch.bincount(place.clamp(-1, BINS).long() + 1, minlength=BINS + 2)
        wide, slope = u.double(), derivative.double()
        parts = (wide, wide.square(), slope, slope != 0, slope.abs() > NEGLIGIBLE)
        self.sums += torch.stack([part.sum(dtype=torch.float64) for part in parts])
        self.updates += u.numel()

    def result(self) -> LayerDiagnostics:
        """Return the diagnostics of all that was added."""
        return LayerDiagnostics(
            name=self.name,
            neuron=self.neuron,
            units=self.units,
            gradient_norm_by_timestep=(self.gradient_squares / self.samples).sqrt().tolist(),
            dead_units=int((self.spikes == 0).sum()),
            saturated_units=int((self.spikes == self.samples * self.timesteps).sum()),
            membrane=self._membrane() if self.updates else None,
        )

    def _membrane(self) -> Membrane:
        mean, square, derivative, support, active = (self.sums / self.updates).tolist()
        below, *bins, above = self.bins.tolist()
        return Membrane(
            updates=self.updates,
            mean=mean,
            standard_deviation=math.sqrt(max(0.0, square - mean**2)),
            bins_from=BINS_FROM,
            bins_to=BINS_FROM + BINS / BINS_PER_UNIT,
            histogram=bins,
            updates_below=below,
            updates_above=above,
            within_support_fraction=support,
            surrogate_active_fraction=active,
            surrogate_mean_derivative=derivative,
        )
