"""The comparison as data frames: a row a run, a layer, a neuron layer."""

from __future__ import annotations

import pandas as pd

from bench.report.evidence.comparison import Comparison
from bench.report.evidence.entry import Entry, Slot
from bench.report.evidence.quantities import QUANTITIES


def runs_frame(comparison: Comparison) -> pd.DataFrame:
    """Return one row per planned run; what a run did not measure is NaN."""
    return pd.DataFrame([_run_row(entry, slot) for entry in comparison.entries for slot in entry.slots])


def _run_row(entry: Entry, slot: Slot) -> dict[str, object]:
    row: dict[str, object] = {
        "entry": entry.label,
        "seed": slot.run.seed,
        "timesteps": slot.run.spec.timesteps,
        "key": slot.run.key,
        "status": slot.status,
        "reason": slot.reason,
    }
    record = slot.done
    measured = {each.name: None if record is None else each.value(record) for each in QUANTITIES}
    return row | {name: float("nan") if value is None else float(value) for name, value in measured.items()}


def layers_frame(comparison: Comparison) -> pd.DataFrame:
    """Return one row per finished run and synaptic layer, all per sample and summed over timesteps."""
    return pd.DataFrame(
        [
            (
                *(entry.label, record.seed, layer.name, layer.kind, layer.input_kind, layer.input_density_fraction),
                *(layer.dense_macs_per_sample, layer.dense_macs_valid_per_sample, layer.effective_synops_per_sample),
                *(layer.silent, layer.static_input, layer.timesteps, layer.input_bits, layer.weight_bits),
                layer.zero_weights_fraction,
            )
            for entry in comparison.entries
            for record in entry.done
            for layer in record.layers
        ],
        columns=[
            *("entry", "seed", "layer", "kind", "input_kind", "input_density_fraction"),
            *("dense_macs_per_sample", "dense_macs_valid_per_sample", "effective_synops_per_sample"),
            *("silent", "static_input", "timesteps", "input_bits", "weight_bits"),
            "zero_weights_fraction",
        ],
    )


def neurons_frame(comparison: Comparison) -> pd.DataFrame:
    """Return one row per finished run and neuron layer."""
    return pd.DataFrame(
        [
            (
                *(entry.label, record.seed, count.name, count.neuron, count.spiking, count.units),
                *(count.firing_rate, count.spikes_per_sample),
            )
            for entry in comparison.entries
            for record in entry.done
            for count in record.neurons
        ],
        columns=[
            *("entry", "seed", "layer", "neuron", "spiking", "units"),
            *("firing_rate", "spikes_per_sample"),
        ],
    )
