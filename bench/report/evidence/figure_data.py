"""The numbers that the figures draw, as plain data: what a committed figure is checked by. No matplotlib."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bench.records.record import EpochRow
from bench.report.evidence.comparison import Comparison
from bench.report.evidence.diagnostics_data import gradient_flow_data, membrane_data, named
from bench.report.evidence.entry import Entry
from bench.report.evidence.frames import neurons_frame
from bench.report.evidence.pricing import DENSE, ZERO_SKIPPING, Priced
from bench.report.evidence.quantities import ACCURACY
from bench.report.evidence.statistics import Summary, summarise

DIGITS = 9  # significant digits kept: float noise must not make a committed figure differ


def figure_data(comparison: Comparison, priced: Priced) -> dict[str, Any]:
    """Return figure name -> the series it draws, one per entry in the suite's order; figures without data are absent.

    Energy is in pJ per sample, accuracy in percent; every number is a mean over finished seeds with its sd beside it.
    An entry that is not sound has its states beside its label, and no point in the figure of energy.
    """
    found = {
        "accuracy_energy": _accuracy_energy(comparison, priced),
        "training_curves": _series(comparison.trained, _training_curve),
        "firing_rate": _firing_rate(comparison),
        "accuracy_by_timestep": _series(comparison.entries, _by_timestep),
        "gradient_flow": gradient_flow_data(comparison),
        "membrane": membrane_data(comparison),
    }
    if not any(len(series["timesteps"]) > 1 for series in found["accuracy_by_timestep"]["entries"]):
        del found["accuracy_by_timestep"]
    return {name: _rounded(data) for name, data in found.items() if data["entries"]}


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return float(f"{value:.{DIGITS}g}")
    if isinstance(value, dict):
        return {key: _rounded(item) for key, item in value.items()}
    return [_rounded(item) for item in value] if isinstance(value, list) else value


def _series(entries: Sequence[Entry], make: Any) -> dict[str, Any]:
    drawn = [named(entry) | make(entry) for entry in entries if entry.done]
    return {"entries": drawn, "without_data": [entry.label for entry in entries if not entry.done]}


def _accuracy_energy(comparison: Comparison, priced: Priced) -> dict[str, Any]:
    entries, without, unsound = [], [], []
    for entry in comparison.entries:
        if not entry.sound:
            unsound.append(named(entry))
            continue
        accuracy = entry.summary(ACCURACY.value)
        dense = priced.summary(entry, "total", DENSE)
        skipping = priced.summary(entry, "total", ZERO_SKIPPING)
        if accuracy.mean is None or dense.mean is None:
            without.append(entry.label)
            continue
        numbers = _pair("accuracy_percent", accuracy) | _pair("total_pj", dense) | _pair("zero_skipping_pj", skipping)
        entries.append({"label": entry.label, "n": accuracy.n} | numbers)
    drawn = {"table": priced.name, "entries": entries, "without_data": without}
    return drawn | ({"unsound": unsound} if unsound else {})


def _pair(name: str, summary: Summary) -> dict[str, Any]:
    return {f"{name}_mean": summary.mean, f"{name}_sd": summary.sd}


def _training_curve(entry: Entry) -> dict[str, Any]:
    epochs = min(len(record.history) for record in entry.done)

    def column(name: str, factor: float) -> list[Summary]:
        rows = zip(*(record.history[:epochs] for record in entry.done), strict=True)
        return [summarise([factor * _value(row, name) for row in seeds]) for seeds in rows]

    test, loss = column("test_accuracy_fraction", 100.0), column("train_loss", 1.0)
    return {
        "n": len(entry.done),
        "epochs": [entry.done[0].history[index].epoch for index in range(epochs)],
        "test_accuracy_percent_mean": [summary.mean for summary in test],
        "test_accuracy_percent_sd": [summary.sd for summary in test],
        "train_loss_mean": [summary.mean for summary in loss],
        "train_loss_sd": [summary.sd for summary in loss],
    }


def _value(row: EpochRow, name: str) -> float:
    return float(getattr(row, name))


def _firing_rate(comparison: Comparison) -> dict[str, Any]:
    frame = neurons_frame(comparison)
    frame = frame[frame["spiking"].astype(bool)]
    entries = []
    for entry in comparison.entries:
        own = frame[frame["entry"] == entry.label]
        groups = own.groupby("layer", sort=False)["firing_rate"]
        layers = [(str(name), summarise(list(rates))) for name, rates in groups]
        if layers:
            entries.append(
                named(entry)
                | {
                    "n": len(entry.done),
                    "layers": [name for name, _ in layers],
                    "firing_rate_mean": [summary.mean for _, summary in layers],
                    "firing_rate_sd": [summary.sd for _, summary in layers],
                }
            )
    return {"entries": entries, "without_data": [entry.label for entry in comparison.entries if not entry.done]}


def _by_timestep(entry: Entry) -> dict[str, Any]:
    steps = min(len(record.accuracy_by_timestep) for record in entry.done)
    summaries = [entry.at_timestep(index) for index in range(steps)]
    return {
        "n": len(entry.done),
        "timesteps": list(range(1, steps + 1)),
        "accuracy_percent_mean": [summary.mean for summary in summaries],
        "accuracy_percent_sd": [summary.sd for summary in summaries],
    }
