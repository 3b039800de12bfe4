"""Two figures with a panel for each neuron layer: gradient through time, and membrane potential against threshold."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogFormatterMathtext, MaxNLocator, NullFormatter

from bench.records.diagnostics import Diagnostics
from bench.report.evidence.diagnostics_data import gradient_layers, membrane_layers
from bench.report.figures.drawing import BAND_ALPHA, PLAIN, STYLE, TALL, WIDE, Look, drawable, finish, looks_of, saved
from bench.report.formats.text import percent

COLUMNS = 4  # of panels, at most
PANEL_HEIGHT, MARGIN_HEIGHT = 2.5, 0.9  # inches
PLAIN_TO = 1e-4  # ratios below it are written as powers of ten
PERCENT = FuncFormatter(lambda value, _: f"{100 * value:g} %")

Drawer = Callable[[Axes, Mapping[str, Any], Look], None]


def gradient_flow(data: Mapping[str, Any], looks: Mapping[str, Look]) -> Figure:
    """Draw the gradient norm relative to the last timestep against the timestep, on a logarithmic scale."""
    layers = _layer_names(data)
    figure, panels = _panels(len(layers))
    _fill(panels, layers, data, looks, _gradient_curve)
    _gradient_axes(panels, data)
    finish(figure, data, _gradient_note(data))
    return figure


def membrane(data: Mapping[str, Any], looks: Mapping[str, Look]) -> Figure:
    """Draw the distribution of u - θ in each layer; what lies right of 0 fires."""
    layers = _layer_names(data)
    figure, panels = _panels(len(layers))
    _fill(panels, layers, data, looks, _histogram)
    _membrane_axes(panels)
    finish(figure, data, f"mean over seeds; {_membrane_note(data)}")
    return figure


def run_figure(label: str, found: Diagnostics, ending: str) -> bytes:
    """Return both figures of one run as one, as `svg` or `png`."""
    look = looks_of([label])

    def series(make: Callable[..., dict[str, Any] | None]) -> dict[str, Any]:
        layers = [{"layer": layer.name} | made for layer in found.layers if (made := make([layer]))]
        return {"entries": [{"label": label, "n": 1, "layers": layers}], "without_data": []}

    gradient, potential = series(gradient_layers), series(membrane_layers)
    with matplotlib.rc_context(STYLE):
        names = [layer.name for layer in found.layers]
        figure, panels = _panels(len(names), kinds=2)
        above, below = panels[: len(names)], panels[len(names) :]
        _fill(above, names, gradient, look, _gradient_curve)
        _gradient_axes(above, gradient)
        _fill(below, names, potential, look, _histogram)
        _membrane_axes(below)
        finish(figure, gradient, _membrane_note(potential))
        return saved(figure, ending)


def _layer_names(data: Mapping[str, Any]) -> list[str]:
    return list(dict.fromkeys(layer["layer"] for entry in data["entries"] for layer in entry["layers"]))


def _panels(count: int, kinds: int = 1) -> tuple[Figure, list[Axes]]:
    """Return a figure with `count` panels for each of `kinds`, each kind beginning a row."""
    columns = min(count, COLUMNS)
    rows = -(-count // columns)
    height = TALL if rows == columns == kinds else MARGIN_HEIGHT + PANEL_HEIGHT * rows * kinds
    size = (max(WIDE, 2.6 * columns), height)
    figure = Figure(figsize=size, layout="constrained")
    grid = figure.subplots(rows * kinds, columns, squeeze=False)
    used = []
    for kind in range(kinds):
        places = grid[kind * rows : (kind + 1) * rows].flatten()
        used += list(places[:count])
        for axes in places[count:]:
            axes.remove()
    return figure, used


def _fill(
    panels: Sequence[Axes], names: Sequence[str], data: Mapping[str, Any], looks: Mapping[str, Look], draw: Drawer
) -> None:
    for axes, name in zip(panels, names, strict=True):
        axes.set_title(drawable(name), fontsize=9)
        for entry in data["entries"]:
            for layer in entry["layers"]:
                if layer["layer"] == name:
                    draw(axes, layer, looks[entry["label"]])


def _gradient_curve(axes: Axes, layer: Mapping[str, Any], look: Look) -> None:
    axes.plot(layer["timesteps"], layer["relative_mean"], **(dict(look) | {"markersize": 4.5}))
    low, high = layer["relative_low"], layer["relative_high"]
    if low != high:
        axes.fill_between(layer["timesteps"], low, high, color=look["color"], alpha=BAND_ALPHA, linewidth=0)


def _gradient_axes(panels: Sequence[Axes], data: Mapping[str, Any]) -> None:
    layers = [layer for entry in data["entries"] for layer in entry["layers"]]
    values = [value for layer in layers for name in ("low", "mean", "high") for value in layer[f"relative_{name}"]]
    drawn = [value for value in values if value > 0] or [1.0]
    for axes in panels:
        axes.set_yscale("log", nonpositive="mask")
        axes.yaxis.set_major_formatter(PLAIN if min(drawn) >= PLAIN_TO else LogFormatterMathtext())
        axes.yaxis.set_minor_formatter(NullFormatter())
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=8))
        axes.set_xlabel("timestep t")
        axes.set_ylim(min(drawn) / 1.5, max(drawn) * 1.5)
    _label_first(panels, "gradient, relative to t = T")


def _gradient_note(data: Mapping[str, Any]) -> str:
    lost = any(value <= 0 for entry in data["entries"] for layer in entry["layers"] for value in layer["relative_mean"])
    note = "gradient of the last timestep's loss; mean over seeds, band: smallest to largest"
    return note + ("; where it is 0 there is no point" if lost else "")


def _histogram(axes: Axes, layer: Mapping[str, Any], look: Look) -> None:
    shares, low, high = layer["share_mean"], layer["bins_from"], layer["bins_to"]
    width = (high - low) / len(shares)
    edges = [low + width * index for index in range(len(shares) + 1)]
    line = {name: look[name] for name in ("color", "linestyle", "label")}
    axes.stairs(shares, edges, linewidth=1.4, baseline=None, **line)  # no fall to 0 where the bins end
    axes.stairs(shares, edges, color=look["color"], fill=True, alpha=BAND_ALPHA / 2, linewidth=0)


def _membrane_axes(panels: Sequence[Axes]) -> None:
    for axes in panels:
        axes.axvline(0, color="#555555", linewidth=0.9, linestyle="--", zorder=1)
        axes.set_ylim(bottom=0)
        axes.yaxis.set_major_formatter(PERCENT)
        axes.set_xlabel("u - θ")
    _label_first(panels, "share of updates per bin")


def _membrane_note(data: Mapping[str, Any]) -> str:
    layers = [layer for entry in data["entries"] for layer in entry["layers"]]
    left, right = (max((layer[name] for layer in layers), default=0.0) for name in ("below_mean", "above_mean"))
    return f"from the dashed line on neurons fire; outside: up to {percent(left)} left, {percent(right)} right"


def _label_first(panels: Sequence[Axes], text: str) -> None:
    for axes in panels[::COLUMNS]:
        axes.set_ylabel(text)
