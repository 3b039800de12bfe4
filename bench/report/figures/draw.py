"""The figures of a report, drawn from `Evidence.figures` alone: SVG and PNG, the same bytes every time."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import matplotlib
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter

from bench.report.evidence.evidence import Evidence
from bench.report.figures.drawing import (
    PLAIN,
    STYLE,
    TALL,
    WIDE,
    Look,
    canvas,
    curve,
    drawable,
    finish,
    looks_of,
    looks_with_states,
    saved,
)
from bench.report.figures.panels import gradient_flow, membrane
from bench.report.formats.text import energy_unit

MOST_MARKED = 1e6  # ratio of losses from which powers of ten alone are marked, as where training diverged
LINEAR_UP_TO = 20.0  # ratio of energies above which their axis is logarithmic


def draw_figures(evidence: Evidence) -> dict[str, str | bytes]:
    """Return every figure that has data as SVG and PNG, and figures.json with what they draw, by file name."""
    entries = evidence.comparison.suite.spec.entries
    deployed = [entry.deployed_label for entry in entries if entry.deploy is not None]
    looks = looks_of([entry.label for entry in entries] + deployed)
    drawn: dict[str, str | bytes] = {}
    with matplotlib.rc_context(STYLE):
        for name, series in evidence.figures.items():
            figure = DRAWINGS[name](series, looks_with_states(looks, series))
            drawn |= {f"{name}.{ending}": saved(figure, ending) for ending in ("svg", "png")}
    return drawn | {"figures.json": evidence.figures_json}


def accuracy_energy(data: Mapping[str, Any], looks: Mapping[str, Look]) -> Figure:
    """Draw accuracy against total energy per sample: filled as computed, hollow with zeros skipped."""
    figure, axes = canvas()
    entries = data["entries"]
    unit = energy_unit(value for e in entries for value in (e["total_pj_mean"], e["zero_skipping_pj_mean"]))
    for entry in entries:
        look = looks[entry["label"]]
        accuracy, spread = entry["accuracy_percent_mean"], entry["accuracy_percent_sd"]
        points = [(entry["total_pj_mean"], entry["total_pj_sd"], look["color"], look["label"])]
        if entry["zero_skipping_pj_mean"] is not None:
            points.append((entry["zero_skipping_pj_mean"], entry["zero_skipping_pj_sd"], "white", None))
            ends = [pj / unit.size for pj, *_ in points]
            axes.plot(ends, [accuracy] * 2, color=look["color"], linewidth=0.8, zorder=2)
        for energy, energy_sd, fill, label in points:
            axes.errorbar(
                energy / unit.size,
                accuracy,
                xerr=None if energy_sd is None else energy_sd / unit.size,
                yerr=spread,
                fmt=look["marker"],
                color=look["color"],
                markerfacecolor=fill,
                markersize=8,
                capsize=3,
                elinewidth=1.0,
                label=label,
                zorder=3,
            )
    values = [value for e in entries for value in (e["total_pj_mean"], e["zero_skipping_pj_mean"]) if value]
    if values and max(values) > LINEAR_UP_TO * min(values):
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        axes.xaxis.set_major_formatter(PLAIN)
        axes.xaxis.set_minor_formatter(NullFormatter())
    else:
        axes.set_xlim(left=0)
    axes.set_xlabel(f"estimated energy per sample, {unit.name} ({drawable(data['table'])}) ← better")
    axes.set_ylabel("test accuracy, % (better →)")
    finish(figure, data, "filled: as computed; hollow: zeros skipped in analog layers; bars: sd over seeds")
    return figure


def training_curves(data: Mapping[str, Any], looks: Mapping[str, Look]) -> Figure:
    """Draw test accuracy and training loss per epoch, mean over seeds with a band of one sd."""
    figure = Figure(figsize=(WIDE * 1.35, TALL), layout="constrained")
    left, right = figure.subplots(1, 2)
    for axes, name, title in (
        (left, "test_accuracy_percent", "test accuracy, %"),
        (right, "train_loss", "training loss"),
    ):
        for entry in data["entries"]:
            curve(axes, entry["epochs"], entry[f"{name}_mean"], entry[f"{name}_sd"], looks[entry["label"]], many=True)
        axes.set_xlabel("epoch")
        axes.set_ylabel(title)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    losses = [value for entry in data["entries"] for value in entry["train_loss_mean"]]
    if all(value > 0 for value in losses):
        right.set_yscale("log")
    if min(losses, default=0.0) > 0 and max(losses) < MOST_MARKED * min(losses):
        within_a_decade = max(losses, default=1.0) < 10 * min(losses, default=1.0)  # where powers of ten mark nothing
        right.yaxis.set_major_locator(
            LogLocator(subs=(1.0, 2.0, 3.0, 4.0, 6.0) if within_a_decade else (1.0, 2.0, 5.0))
        )
        right.yaxis.set_major_formatter(PLAIN)
        right.yaxis.set_minor_formatter(NullFormatter())
    finish(figure, data, "band: sd over seeds")
    return figure


def firing_rate(data: Mapping[str, Any], looks: Mapping[str, Look]) -> Figure:
    """Draw spikes per neuron and timestep of each neuron layer, from input to output."""
    figure, axes = canvas()
    layers = list(dict.fromkeys(layer for entry in data["entries"] for layer in entry["layers"]))
    for entry in data["entries"]:
        places = [layers.index(layer) for layer in entry["layers"]]
        curve(axes, places, entry["firing_rate_mean"], entry["firing_rate_sd"], looks[entry["label"]])
    axes.set_xticks(range(len(layers)), [drawable(layer) for layer in layers], rotation=40, ha="right", fontsize=8)
    axes.set_ylim(bottom=0)
    axes.set_xlabel("neuron layer, input to output")
    axes.set_ylabel("spikes per neuron and timestep")
    finish(figure, data, "band: sd over seeds")
    return figure


def accuracy_by_timestep(data: Mapping[str, Any], looks: Mapping[str, Look]) -> Figure:
    """Draw the accuracy when outputs are averaged over the first t timesteps; one timestep is a level line."""
    figure, axes = canvas()
    longest = max(max(entry["timesteps"]) for entry in data["entries"])
    for entry in data["entries"]:
        look, mean, sd = looks[entry["label"]], entry["accuracy_percent_mean"], entry["accuracy_percent_sd"]
        curve(axes, entry["timesteps"], mean, sd, look)
        if len(mean) == 1:
            axes.hlines(mean[0], 1, longest, color=look["color"], linewidth=0.8, linestyle=":")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlabel("timesteps averaged, t")
    axes.set_ylabel("test accuracy, %")
    finish(figure, data, "band: sd over seeds; dotted: an entry of one timestep")
    return figure


DRAWINGS: Mapping[str, Callable[[Mapping[str, Any], Mapping[str, Look]], Figure]] = {
    "accuracy_energy": accuracy_energy,
    "training_curves": training_curves,
    "firing_rate": firing_rate,
    "accuracy_by_timestep": accuracy_by_timestep,
    "gradient_flow": gradient_flow,
    "membrane": membrane,
}
