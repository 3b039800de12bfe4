"""What would have been counted of a network that stops after some of its timesteps. No torch."""

from __future__ import annotations

import math

from bench.records.counts import Counts, LayerCount, NeuronCount, OtherOps


def first_timesteps(counts: Counts, timesteps: int) -> Counts | None:
    """Return the counts of the first `timesteps` timesteps, from 1 to all of them: exact for layers and neurons.

    None where the timesteps of some layer were not told apart, as in older records. Other operations are taken to be as
    many at every timestep, but for the readout's mean over time, and for the encoder, which is charged in full: it has
    made all timesteps. How many pairs met no zero weight is not known of some timesteps alone.
    Raises ValueError for another number of timesteps.
    """
    whole = counts.timesteps
    if not 1 <= timesteps <= whole:
        raise ValueError(f"timesteps should be from 1 to {whole}, not {timesteps}")
    if timesteps == whole:
        return counts
    layers = [_layer(layer, timesteps, whole) for layer in counts.layers]
    neurons = [_neuron(neuron, timesteps, whole) for neuron in counts.neurons]
    if None in layers or None in neurons:
        return None
    return counts.model_copy(
        update={
            "timesteps": timesteps,
            "layers": layers,
            "neurons": neurons,
            "other_ops": [_other(other, timesteps, whole) for other in counts.other_ops],
        }
    )


def _layer(layer: LayerCount, timesteps: int, whole: int) -> LayerCount | None:
    synops, inputs = layer.effective_synops_by_timestep, layer.input_nonzero_by_timestep
    if synops is None or inputs is None or len(synops) != whole:
        return None
    acs = layer.graded_acs_by_timestep
    return layer.model_copy(
        update={
            "timesteps": _share(layer.timesteps, timesteps, whole),
            "dense_macs_total": layer.dense_macs_total * timesteps // whole,
            "dense_macs_valid_total": layer.dense_macs_valid_total * timesteps // whole,
            "effective_synops_total": sum(synops[:timesteps]),
            "input_nonzero_total": sum(inputs[:timesteps]),
            "graded_acs_total": None if acs is None else sum(acs[:timesteps]),
            "synops_without_zero_weights_total": None,
            "effective_synops_by_timestep": synops[:timesteps],
            "input_nonzero_by_timestep": inputs[:timesteps],
            "graded_acs_by_timestep": None if acs is None else acs[:timesteps],
        }
    )


def _neuron(neuron: NeuronCount, timesteps: int, whole: int) -> NeuronCount | None:
    spikes = neuron.spikes_by_timestep
    if spikes is None or len(spikes) != whole:
        return None
    return neuron.model_copy(
        update={
            "timesteps": timesteps,
            "spikes_total": sum(spikes[:timesteps]),
            "spikes_by_timestep": spikes[:timesteps],
        }
    )


def _other(other: OtherOps, timesteps: int, whole: int) -> OtherOps:
    if other.column == "encoder":
        return other
    ops = other.ops_per_sample
    if other.column == "readout":
        found = _readout(ops, timesteps, whole)
    else:
        found = {word: count * timesteps / whole for word, count in ops.items()}
    return other.model_copy(update={"ops_per_sample": found})


def _readout(ops: dict[str, float], timesteps: int, whole: int) -> dict[str, float]:
    """Return a mean over fewer timesteps: its product with 1/t is a shift where t is a power of two."""
    if timesteps == 1:
        return {}
    found = {word: count * (timesteps - 1) / (whole - 1) for word, count in ops.items() if word == "add"}
    scaled = sum(count for word, count in ops.items() if word in ("mul", "shift"))
    if scaled:
        found["shift" if math.frexp(timesteps)[0] == 0.5 else "mul"] = scaled
    return found | {word: count * timesteps / whole for word, count in ops.items() if word not in _OF_A_MEAN}


_OF_A_MEAN = ("add", "mul", "shift")


def _share(passes: float, timesteps: int, whole: int) -> float:
    return passes * timesteps // whole if passes * timesteps % whole == 0 else passes * timesteps / whole
