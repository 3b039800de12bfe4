"""What the figures share: style, the looks of entries, curves with bands, the legend."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from functools import cache
from textwrap import fill
from typing import Any

from matplotlib import font_manager
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from bench.report.formats.text import one_line

FONT = "DejaVu Sans"  # comes with matplotlib, so that text has the same shape everywhere
# Okabe & Ito 2008, "Color Universal Design": distinct for all common kinds of colour blindness; yellow left out.
COLOURS = ("#000000", "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*", "<", ">", "p")
LINES = ("-", "--", ":", "-.")
STYLE: dict[Any, Any] = {
    "font.family": FONT,
    "font.size": 10.0,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#dddddd",
    "grid.linewidth": 0.6,
    "legend.frameon": False,
    "lines.linewidth": 1.6,
    "lines.markersize": 6.0,
    "svg.hashsalt": "spikebench",
    "svg.fonttype": "path",
}
WIDE, TALL = 7.2, 4.4  # inches
NOTE_COLUMNS = 120  # of the note below a figure, which is cut where it is wider
BAND_ALPHA = 0.18
PLAIN = FuncFormatter(lambda value, _: f"{value:g}")

Look = Mapping[str, Any]


def looks_of(labels: Sequence[str]) -> dict[str, Look]:
    """Return the colour, marker and line of each entry, the same in every figure of a suite."""
    return {
        label: {
            "color": COLOURS[index % len(COLOURS)],
            "marker": MARKERS[index % len(MARKERS)],
            "linestyle": LINES[index // len(COLOURS) % len(LINES)],
            "label": drawable(label),
        }
        for index, label in enumerate(labels)
    }


def looks_with_states(looks: Mapping[str, Look], data: Mapping[str, Any]) -> dict[str, Look]:
    """Return the looks of entries for one figure's data: the legend says whose runs are not sound, and why."""
    states = {entry["label"]: entry["state"] for entry in data["entries"] if "state" in entry}
    said = {label: f"{looks[label]['label']} ({state})" for label, state in states.items()}
    return {label: dict(look) | {"label": said.get(label, look["label"])} for label, look in looks.items()}


def drawable(text: str) -> str:
    """Return `text` so that matplotlib draws it as it is: no formulas, no characters that the font lacks."""
    shown = "".join(mark if ord(mark) in _glyphs() else "\ufffd" for mark in one_line(text))
    return (" " if shown.startswith("_") else "") + shown.replace("$", r"\$")


@cache
def _glyphs() -> frozenset[int]:
    path = font_manager.findfont(FONT)
    return frozenset(font_manager.get_font(path).get_charmap())


def canvas() -> tuple[Figure, Axes]:
    """Return a figure of the usual size with one pair of axes."""
    figure = Figure(figsize=(WIDE, TALL), layout="constrained")
    return figure, figure.subplots()


def curve(
    axes: Axes,
    x: Sequence[float],
    mean: Sequence[float],
    sd: Sequence[float | None],
    look: Look,
    many: bool = False,
) -> None:
    """Draw a line with a band of one standard deviation; `many` points have no markers."""
    axes.plot(x, mean, **(dict(look) | ({"marker": "" if len(x) > 1 else look["marker"]} if many else {})))
    known = [(place, value, spread) for place, value, spread in zip(x, mean, sd, strict=True) if spread is not None]
    if known:
        places, values, spreads = zip(*known, strict=True)
        low = [value - spread for value, spread in zip(values, spreads, strict=True)]
        high = [value + spread for value, spread in zip(values, spreads, strict=True)]
        axes.fill_between(places, low, high, color=look["color"], alpha=BAND_ALPHA, linewidth=0)


def _legend(figure: Figure, shown: Mapping[str, Any]) -> None:
    """Set the legend above the figure into as many columns as it has room for, at most five."""
    for columns in range(min(len(shown), 5), 0, -1):
        legend = figure.legend(shown.values(), shown.keys(), loc="outside upper center", ncols=columns)
        if columns == 1 or legend.get_window_extent().width <= figure.bbox.width:
            return
        legend.remove()


def finish(figure: Figure, data: Mapping[str, Any], note: str) -> None:
    """Add the legend of all axes above the figure, and below it the note, n and the entries without data."""
    shown: dict[str, Any] = {}
    for axes in figure.axes:
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True):
            shown.setdefault(label, handle)
    sizes = sorted({entry["n"] for entry in data["entries"]})
    seeds = " or ".join(map(str, sizes))
    without = "".join(f"; no data: {drawable(label)}" for label in data["without_data"])
    unsound = [f"{drawable(entry['label'])} ({entry['state']})" for entry in data.get("unsound", [])]
    if unsound:
        without += "\n" + fill(f"not drawn: {', '.join(unsound)}", NOTE_COLUMNS)
    _legend(figure, shown)
    figure.supxlabel(f"{note} (n = {seeds}){without}", x=0.01, ha="left", fontsize=7.5, color="#555555")


def saved(figure: Figure, ending: str) -> bytes:
    """Return the figure as `svg` or `png`, without a date, so that the same figure gives the same bytes."""
    buffer = io.BytesIO()
    metadata = {"svg": {"Date": None, "Creator": None}, "png": {"Software": None}}[ending]
    figure.savefig(buffer, format=ending, metadata=metadata, dpi=160)
    return buffer.getvalue()
