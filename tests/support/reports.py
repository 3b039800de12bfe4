"""A made-up suite whose every number can be worked out by hand; the sums are in the comments."""

import base64
import functools
from dataclasses import replace
from pathlib import Path

import numpy as np

from bench.records.counts import LayerCount, NeuronCount, OtherOps
from bench.records.diagnostics import Diagnostics, LayerDiagnostics, Membrane
from bench.records.record import Digests, EpochRow, RunRecord
from bench.records.source import Fold
from bench.suite.load import Suite

SAMPLES = 10  # counted
TEST_SAMPLES = 100_000
SEEDS = (0, 1, 2)

# Accuracy in percent by seed. LIF - ANN: -1.0, -1.2, -1.4 (mean -1.2, sd 0.2). CLIF - ANN: 0.1, -0.1, 0.1.
ACCURACY = {"ANN": (90.0, 91.0, 92.0), "LIF": (89.0, 89.8, 90.6), "CLIF": (90.1, 90.9, 92.1)}
NEURONS = {"ANN": "relu", "LIF": "lif", "CLIF": "clif"}
OPS = {
    "relu": {"compare": 1},  # 0.9 pJ
    "lif": {"mul": 2, "add": 1, "sub": 1, "compare": 1},  # 10.1 pJ
    "clif": {"mul": 4, "add": 3, "sub": 1, "compare": 1, "sigmoid": 2},  # 19.3 pJ + 2 sigmoids of 18.4 = 56.1 pJ
}
STATE_WORDS = {"relu": 0, "lif": 1, "clif": 2}
# Synops per sample of the second layer, and spikes over all samples of 20 neurons x 2 timesteps x 10 samples = 400.
SYNOPS = {"ANN": (800, 800, 800), "LIF": (40, 60, 80), "CLIF": (20, 20, 20)}
SPIKES = {"ANN": (50, 50, 50), "LIF": (40, 80, 120), "CLIF": (20, 20, 20)}


def make_suite(labels=("ANN", "LIF", "CLIF"), energy=("horowitz-fp32",), seeds=SEEDS, entries=None, **changes):
    """A suite with one entry per label; entries after the third are further LIF entries, told apart by tau."""
    neurons = [*NEURONS.values(), *[f"lif:{index}" for index in range(len(labels))]]
    entries = entries or [
        {
            "label": label,
            "neuron": {"name": name.partition(":")[0]} | ({"tau": 2.0 + int(name[4:])} if ":" in name else {}),
            "timesteps": 1 if name == "relu" else 2,
        }
        for label, name in zip(labels, neurons, strict=False)
    ]
    data = {
        "name": "tiny",
        "title": "Tiny: ReLU, LIF, CLIF",
        "baseline": entries[0]["label"],
        "seeds": list(seeds),
        "energy": list(energy),
        "dataset": {"name": "digits"},
        "model": {"name": "convnet", "width": 8},
        "train": {"epochs": 2, "batch_size": 32, "optimizer": {"name": "sgd", "learning_rate": 0.1}},
        "entries": entries,
    }
    return Suite.from_data(data | changes, Path("suites/tiny.toml"))


def make_record(run, kind=None, **changes):
    """The finished record of a planned run; `kind` is the column of the tables above that it follows."""
    kind = kind or {"relu": "ANN", "lif": "LIF", "clif": "CLIF"}[run.spec.neuron.name]
    which, timesteps, neuron = run.seed % 3, run.spec.timesteps, NEURONS[kind]
    accuracy = ACCURACY[kind][which] / 100
    right = round(accuracy * TEST_SAMPLES)
    record = RunRecord(
        key=run.key,
        measure_key=run.measure_key,
        label=run.label,
        seed=run.seed,
        spec=run.spec.to_json(),
        resolved={
            "dataset": {},
            "model": {"width": 8, "stages": 2},
            "neuron": {} if neuron == "relu" else {"tau": 2.0, "surrogate": "rectangle"},
            "encoder": {},
        },
        status="done",
        accuracy_fraction=accuracy,
        best_accuracy_fraction=accuracy + 0.01,
        accuracy_by_timestep=[accuracy] if timesteps == 1 else [accuracy - 0.1, accuracy],
        # what ANN gets right, and as many that begin two samples later
        correct=packed(range(right)) if kind == "ANN" else packed(range(2, right + 2)),
        test_samples=TEST_SAMPLES,
        history=[
            EpochRow(
                epoch=epoch,
                learning_rate=0.1,
                train_loss=1.0 / epoch,
                train_accuracy_fraction=accuracy,
                test_accuracy_fraction=accuracy - 0.05 * (2 - epoch),
            )
            for epoch in (1, 2)
        ],
        samples_counted=SAMPLES,
        layers=[
            layer("stem", timesteps, "analog", 1000, 900, 500 * timesteps, static_input=timesteps > 1),
            layer("fc", timesteps, "analog" if kind == "ANN" else "binary", 2000, 2000, SYNOPS[kind][which]),
        ],
        neurons=[
            NeuronCount(
                name="neuron",
                neuron=neuron,
                spiking=kind != "ANN",
                units=20,
                samples=SAMPLES,
                timesteps=timesteps,
                spikes_total=SPIKES[kind][which],
                ops_per_update=OPS[neuron],
                state_words=STATE_WORDS[neuron],
                parameters={"tau": [2.0 + which]} if kind == "LIF" else {},
            )
        ],
        other_ops=[OtherOps(name="fc", column="bias", ops_per_sample={"add": 30 * timesteps})],
        parameters=1234,
        digests=Digests(initial_weights=f"weights{run.seed}", sample_order=f"order{run.seed}", code="c0de"),
        provenance={"commit": "abc123", "device": "cpu, 1 thread", "versions": {"torch": "2.11.0", "python": "3.12"}},
        wall_clock={"train_s": 10.0 + which, "images_per_s": 500.0, "peak_memory_bytes": 2_000_000},
    )
    return record.model_copy(update=changes)


def layer(name, timesteps, input_kind, dense, valid, synops, static_input=False, **changes):
    """A layer of `dense` MACs per timestep and `synops` per sample; 20 inputs, half of them non-zero."""
    return LayerCount(
        name=name,
        kind="linear",
        input_kind=input_kind,
        weight_shape=(dense // 20, 20),
        input_shape=(20,),
        output_shape=(dense // 20,),
        has_bias=name == "fc",
        samples=SAMPLES,
        timesteps=timesteps,
        dense_macs_total=dense * timesteps * SAMPLES,
        dense_macs_valid_total=valid * timesteps * SAMPLES,
        effective_synops_total=synops * SAMPLES,
        input_nonzero_total=10 * timesteps * SAMPLES,
        static_input=static_input,
    ).model_copy(update=changes)


# Gradient at t = 1 relative to t = 2, by seed, of the layers "a" and "b"; a value of None: no gradient at all.
RELATIVE = {"LIF": ((0.1, 0.3), (0.2, 0.4), (0.3, 0.5)), "CLIF": ((0.5, 0.5), (0.25, 0.25), (0.45, 0.75))}


def diagnosed(record, relative=None, **membrane):
    """The record with diagnostics of two layers of 20 neurons; the second never calls `fire`. An ANN's has none."""
    kind = {"relu": "ANN", "lif": "LIF", "clif": "CLIF"}[record.spec["neuron"]["name"]]
    if kind == "ANN":
        return record
    first, second = relative or RELATIVE[kind][record.seed % 3]
    common = {"neuron": kind.lower(), "units": 20}
    part = Membrane(
        updates=200,
        mean=-1.0,
        standard_deviation=0.5,
        bins_from=-1.0,
        bins_to=1.0,
        histogram=[40, 100, 40, 0],
        updates_below=18,
        updates_above=2,
        within_support_fraction=0.7,
        surrogate_active_fraction=0.5,
        surrogate_mean_derivative=0.25,
    ).model_copy(update=membrane)
    layers = [
        LayerDiagnostics(
            name="a",
            gradient_norm_by_timestep=[0.0, 0.0] if first is None else [2 * first, 2.0],
            dead_units=5,
            saturated_units=1,
            membrane=part,
            **common,
        ),
        LayerDiagnostics(
            name="b",
            gradient_norm_by_timestep=[0.0, 0.0] if second is None else [4 * second, 4.0],
            dead_units=0,
            saturated_units=0,
            **common,
        ),
    ]
    return record.model_copy(update={"diagnostics": Diagnostics(samples=10, timesteps=2, layers=layers)})


@functools.cache
def packed(right):
    """`correct` of a record whose samples in `right` are right."""
    bits = np.zeros(TEST_SAMPLES, dtype=bool)
    bits[list(right)] = True
    return base64.b64encode(np.packbits(bits).tobytes()).decode()


def fold_of_seed(seed, train_samples=1200, **changes):
    """The fold that tests a seed; another seed's is of other samples."""
    which = {"repetition": seed // 5, "fold": seed % 5, "folds": 5, "test": f"samples{seed}"}
    return Fold(train_samples=train_samples, **which | changes)


def make_records(suite):
    """The record of every run of a suite, all finished."""
    return [make_record(run) for run in suite.runs]


def diverged(record):
    """The record of a run whose loss ended at 1e29; a guess of its 100 outputs has ln 100 = 4.61."""
    last = replace(record.history[-1], train_loss=1e29)
    return record.model_copy(update={"history": [*record.history[:-1], last]})


def dead(record):
    """The record of a run in which nothing spiked."""
    neurons = [neuron.model_copy(update={"spikes_total": 0}) for neuron in record.neurons]
    return record.model_copy(update={"neurons": neurons})


def at_chance(record):
    """The record of a run that got 1 of 100 test samples right, as many as by guessing."""
    return record.model_copy(update={"accuracy_fraction": 0.01, "correct": packed(range(TEST_SAMPLES // 100))})


def failed(run, error):
    """The record of a run that failed."""
    spec = run.spec.to_json()
    common = {"key": run.key, "measure_key": run.measure_key, "label": run.label, "seed": run.seed, "spec": spec}
    return RunRecord(**common, resolved={}, status="failed", error=error)


def cells(markdown):
    """The cells of a markdown table, header first, delimiter row left out."""
    rows = [[cell.strip() for cell in line.strip().strip("|").split("|")] for line in markdown.strip().splitlines()]
    return [rows[0], *rows[2:]]


def section(report, heading):
    """The text of one `##` section of a report."""
    return report.split(f"\n## {heading}\n")[1].split("\n## ")[0]
