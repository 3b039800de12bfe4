"""The comparison as data frames: a row a run, a layer, a neuron layer."""

from __future__ import annotations

import pandas as pd

from bench.report.evidence.comparison import Comparison, Entry, Slot


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
    record, nan = slot.done, float("nan")
    counts = record.counts if record else None
    measured = {
        "accuracy_percent": _percent(record.accuracy_fraction) if record else None,
        "best_accuracy_percent": _percent(record.best_accuracy_fraction) if record else None,
        "parameters": record.parameters if record else None,
        "firing_rate": counts.firing_rate if counts else None,
        "dense_macs_per_sample": counts.dense_macs_per_sample if counts else None,
        "effective_synops_per_sample": counts.effective_synops_per_sample if counts else None,
        "train_s": record.wall_clock.get("train_s") if record else None,
        "images_per_s": record.wall_clock.get("images_per_s") if record else None,
        "peak_memory_bytes": record.wall_clock.get("peak_memory_bytes") if record else None,
    }
    return row | {name: nan if value is None else float(value) for name, value in measured.items()}


def _percent(fraction: float | None) -> float | None:
    return None if fraction is None else 100 * fraction


def layers_frame(comparison: Comparison) -> pd.DataFrame:
    """Return one row per finished run and synaptic layer, all per sample and summed over timesteps."""
    return pd.DataFrame(
        [
            {
                "entry": entry.label,
                "seed": record.seed,
                "layer": layer.name,
                "kind": layer.kind,
                "input_kind": layer.input_kind,
                "input_density_fraction": layer.input_density_fraction,
                "dense_macs_per_sample": layer.dense_macs_per_sample,
                "dense_macs_valid_per_sample": layer.dense_macs_valid_per_sample,
                "effective_synops_per_sample": layer.effective_synops_per_sample,
                "silent": layer.silent,
                "static_input": layer.static_input,
                "timesteps": layer.timesteps,
            }
            for entry in comparison.entries
            for record in entry.done
            for layer in record.layers
        ],
        columns=[
            *("entry", "seed", "layer", "kind", "input_kind", "input_density_fraction", "dense_macs_per_sample"),
            *("dense_macs_valid_per_sample", "effective_synops_per_sample", "silent", "static_input", "timesteps"),
        ],
    )


def neurons_frame(comparison: Comparison) -> pd.DataFrame:
    """Return one row per finished run and neuron layer."""
    return pd.DataFrame(
        [
            {
                "entry": entry.label,
                "seed": record.seed,
                "layer": count.name,
                "neuron": count.neuron,
                "spiking": count.spiking,
                "units": count.units,
                "firing_rate": count.firing_rate,
                "spikes_per_sample": count.spikes_per_sample,
            }
            for entry in comparison.entries
            for record in entry.done
            for count in record.neurons
        ],
        columns=["entry", "seed", "layer", "neuron", "spiking", "units", "firing_rate", "spikes_per_sample"],
    )
