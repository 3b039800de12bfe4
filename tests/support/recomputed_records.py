"""What a record says twice, and whether it says the same: sums, shapes and bits."""

import math

from support.recomputed import bits_of
from support.recomputed_energy import dense_macs


def contradictions(run):
    """Yield what of a finished run does not agree with itself."""
    for kind, names in (("layers", ("effective_synops", "input_nonzero", "graded_acs")), ("neurons", ("spikes",))):
        for part in run[kind]:
            yield from _by_timestep(part, names)
            if part["samples"] != run["samples_counted"]:
                yield f"{part['name']}: counted on other samples"
    for layer in run["layers"]:
        yield from _of_shapes(layer)
    for neuron in run["neurons"]:
        if not 0 <= neuron["spikes_total"] <= neuron["units"] * neuron["timesteps"] * neuron["samples"]:
            yield f"{neuron['name']}: more spikes than neurons and timesteps"
    right, history = bits_of(run["correct"], run["test_samples"]).mean(), run.get("history")
    if not math.isclose(right, run["accuracy_fraction"]):
        yield "accuracy is not that of the bits"
    if not math.isclose(run["accuracy_by_timestep"][-1], right):
        yield "accuracy after all timesteps is not that of the bits"
    for at, packed in enumerate(run.get("correct_by_timestep") or []):
        if not math.isclose(bits_of(packed, run["test_samples"]).mean(), run["accuracy_by_timestep"][at]):
            yield f"accuracy after {at + 1} timesteps is not that of the bits"
    if history:
        if not math.isclose(history[-1]["test_accuracy_fraction"], right):
            yield "accuracy is not that of the last epoch"
        if run["best_accuracy_fraction"] != max(row["test_accuracy_fraction"] for row in history):
            yield "the best epoch is another"


def _by_timestep(part, names):
    for name in names:
        each = part.get(f"{name}_by_timestep")
        if each is not None and (sum(each), len(each)) != (part[f"{name}_total"], part["timesteps"]):
            yield f"{part['name']}: {name} by timestep do not add up"


def _of_shapes(layer):
    dense = dense_macs(layer) * layer["samples"]
    if layer["dense_macs_total"] != dense:
        yield f"{layer['name']}: dense MACs are not those of the shapes"
    if not layer["effective_synops_total"] <= layer["dense_macs_valid_total"] <= dense:
        yield f"{layer['name']}: more synops than valid MACs, or more of these than dense ones"
    channel = -1 if layer["kind"] == "linear" else 0
    met = (layer["output_shape"][channel], layer["input_shape"][channel])
    if met != (layer["weight_shape"][0], layer["weight_shape"][1] * layer["groups"]):
        yield f"{layer['name']}: channels are not those of the weights"
    levels, acs = layer.get("input_levels"), layer.get("graded_acs_total")
    if acs is not None and not layer["effective_synops_total"] <= acs <= layer["effective_synops_total"] * levels:
        yield f"{layer['name']}: fewer accumulates than synops, or more than levels allow"
    inputs = math.prod(layer["input_shape"]) * layer["timesteps"] * layer["samples"]
    if not layer["input_nonzero_total"] <= inputs:
        yield f"{layer['name']}: more inputs than there are"
    if layer["kind"] == "linear" and layer["effective_synops_total"] != (
        layer["input_nonzero_total"] * layer["weight_shape"][0]
    ):
        yield f"{layer['name']}: synops are not inputs times outputs"
