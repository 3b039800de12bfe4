"""What measuring a trained network yields: accuracy, the work of every layer, its size."""

from __future__ import annotations

import operator
from typing import Annotated, Any

from pydantic import Field

from bench.records.bounds import (
    MOST_LAYERS,
    MOST_OPERATIONS,
    MOST_TIMESTEPS,
    ByTimestep,
    Part,
    Share,
    Size,
    Total,
    Word,
)
from bench.records.counts import Counts, LayerCount, NeuronCount, OtherOps

LATER = frozenset(["correct_by_timestep", "fvcore_macs", "reasons"])  # what older records do not have


_COUNTED = {"samples", "timesteps", "layers", "neurons", "other_ops", "not_counted", "reasons"}


def _none(value: object) -> bool:
    return value is None


class Measurement(Part):
    """A network on the test split; of a run that failed nothing is known."""

    accuracy_fraction: Share | None = None  # last epoch
    accuracy_by_timestep: ByTimestep = []
    correct: str | None = None  # one bit per test sample (numpy.packbits order), base64
    # The same after each timestep, the last as `correct`; older records have none.
    correct_by_timestep: list[str] | None = Field(default=None, max_length=MOST_TIMESTEPS, exclude_if=_none)
    test_samples: Size | None = None
    samples_counted: Size | None = None
    layers: Annotated[list[LayerCount], Field(max_length=MOST_LAYERS)] = []
    neurons: Annotated[list[NeuronCount], Field(max_length=MOST_LAYERS)] = []
    other_ops: Annotated[list[OtherOps], Field(max_length=MOST_OPERATIONS)] = []
    not_counted: Annotated[list[Word], Field(max_length=MOST_LAYERS)] = []
    # Why the input of a layer is of its kind; older records do not say.
    reasons: dict[Word, Word] = Field(default={}, max_length=MOST_LAYERS, exclude_if=operator.not_)
    parameters: Total | None = None  # learnable, neurons included
    # Dense MACs per sample of every layer as fvcore counts them; older records have none, and networks that it cannot
    # trace.
    fvcore_macs: dict[Word, Total] | None = Field(default=None, max_length=MOST_LAYERS, exclude_if=_none)

    @property
    def measured(self) -> dict[str, Any]:
        """What was measured and nothing else, by name: for whatever else is the record of this measurement."""
        return {name: getattr(self, name) for name in Measurement.model_fields}

    @property
    def dead(self) -> list[str]:
        """The names of the spiking neurons' layers of which no neuron fired in the whole evaluation."""
        return [neuron.name for neuron in self.neurons if neuron.spiking and not neuron.spikes_total]

    def counts_of(self, timesteps: int) -> Counts | None:
        """What was counted, as `bench.estimate_energy` takes it; None where nothing was."""
        if self.samples_counted is None:
            return None
        return Counts.model_construct(  # of what was found to be sound before
            _COUNTED,
            samples=self.samples_counted,
            timesteps=timesteps,
            layers=self.layers,
            neurons=self.neurons,
            other_ops=self.other_ops,
            not_counted=self.not_counted,
            reasons=self.reasons,
        )
