"""Measured speed as a markdown table, and as JSON. No torch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tabulate import tabulate

from bench.report.formats.markdown import escape
from bench.report.formats.text import NOT_AVAILABLE, number
from bench.runs import provenance
from bench.speed.compare import Left
from bench.speed.job import Measured, Spread, Warm

COLUMNS = (
    "entry",
    "neurons",
    "T",
    "step, ms ↓",
    "images/s ↑",
    "epoch, s ↓",
    "real / synthetic data ↓",
    "peak memory, MB ↓",
    "× T × {baseline} ↓",
    "roofline, % ↑",
    "images/s ÷ theirs ↑",
)


def comparisons(measured: Sequence[Measured], baseline: str) -> list[dict[str, Any]]:
    """Return what each row is compared with: its distance to the limit, its peers, the roofline.

    The distance to the limit is the step time over that of the baseline times the ratio of timesteps: at 1 neurons and
    the handling of time are free.
    """
    own = {row.subject.label: row for row in measured if row.subject.peer is None}
    rates = best_rates(measured)
    rows = []
    for row in measured:
        base = own.get(baseline)
        ratio = row.subject.spec.timesteps / base.subject.spec.timesteps if base else 1
        mine = own.get(row.subject.label)
        rows.append(
            {
                "limit": row.over(base, ratio) if base is not None and base is not row else None,
                "roofline": None if rates is None else _roofline(row, *rates),
                "faster": row.over(mine) if mine is not None and mine is not row else None,
            }
        )
    return rows


def best_rates(measured: Sequence[Measured]) -> tuple[float, float] | None:
    """Return FLOP/s of matrix products and bytes/s of copies: the most that any subject saw of the device."""
    ends = [row.end for row in measured]
    flops = [end.flops_per_s for end in ends if end.flops_per_s is not None]
    copied = [end.bytes_per_s for end in ends if end.bytes_per_s is not None]
    return (max(flops), max(copied)) if flops and copied else None


def _roofline(row: Measured, flops_per_s: float, bytes_per_s: float) -> float | None:
    """Share of the step that its layers and neurons would take at these rates, with nothing else to do."""
    if row.end.flops is None or row.end.neuron_bytes is None:
        return None
    return (row.end.flops / flops_per_s + row.end.neuron_bytes / bytes_per_s) / row.step_s.median


def render(measured: Sequence[Measured], left: Sequence[Left], baseline: str, repeats: int) -> str:
    """Return the table and, below it, what its columns mean and what is missing."""
    rows = []
    for row, compared in zip(measured, comparisons(measured, baseline), strict=True):
        subject = row.subject
        rows.append(
            [
                escape(subject.label),
                _who(row),
                subject.spec.timesteps,
                _spread(row.step_s, 1e3),
                number(row.images_per_s.median, 4),
                number(row.epoch_s, 4),
                NOT_AVAILABLE if row.real_over_synthetic is None else _spread(row.real_over_synthetic),
                NOT_AVAILABLE if row.end.peak_memory_bytes is None else number(row.end.peak_memory_bytes / 1e6, 4),
                NOT_AVAILABLE if compared["limit"] is None else _spread(compared["limit"]),
                NOT_AVAILABLE if compared["roofline"] is None else number(100 * compared["roofline"], 3),
                "" if compared["faster"] is None else _spread(compared["faster"]),
            ]
        )
    header = [name.format(baseline=escape(baseline)) for name in COLUMNS]
    table = tabulate(rows, header, tablefmt="pipe", disable_numparse=True)
    return "\n\n".join([table, *_notes(measured, left, baseline, repeats)])


def _notes(measured: Sequence[Measured], left: Sequence[Left], baseline: str, repeats: int) -> list[str]:
    notes = [
        f"Forward, backward and optimiser step; median of {repeats} interleaved turns (lowest to highest), ratios "
        f"taken within a turn. × T × {baseline}: step time over T times that of {baseline}; at 1, neurons and time are "
        "free."
    ]
    notes[0] += f" {'; '.join(dict.fromkeys(_where(row.warm) for row in measured))}."
    if any(row.warm.device.startswith("cpu") for row in measured):
        notes[0] += " Memory is what the process holds, its libraries included."
    rates = best_rates(measured)
    if rates is not None:
        flops_per_s, bytes_per_s = rates
        notes.append(
            f"Roofline: layers at the measured {number(flops_per_s / 1e12, 3)} TFLOP/s of matrix products and neurons "
            f"at {number(bytes_per_s / 1e9, 3)} GB/s of copies, over the step time; norm, pooling and optimiser are "
            "not in it."
        )
    if any(row.warm.path == "graphed" for row in measured) and any(row.subject.peer for row in measured):
        notes.append("spikebench's steps are replayed as CUDA graphs, those with other libraries' neurons are not.")
    notes += [
        f"{row.subject.label} ({row.subject.by}): {len(row.blocks)} of {repeats} turns."
        for row in measured
        if len(row.blocks) < repeats
    ]
    notes += sorted({f"No real data path: {row.warm.no_data}" for row in measured if row.warm.no_data})
    notes += [f"{row.subject.label}: {row.warm.warning}" for row in measured if row.warm.warning]
    begun = [row.subject for row in measured]
    notes += [f"{'Failed' if item.subject in begun else 'Not measured'}: {item.why}" for item in left]
    return notes


def to_json(measured: Sequence[Measured], left: Sequence[Left], baseline: str, repeats: int) -> dict[str, Any]:
    """Return everything that was measured, each turn by itself, as JSON-ready data."""
    entries = []
    for row, compared in zip(measured, comparisons(measured, baseline), strict=True):
        entries.append(
            {
                "label": row.subject.label,
                "neurons": row.subject.by,
                "spec": row.subject.spec.to_json(),
                **row.warm.model_dump(),
                **row.end.model_dump(),
                "synthetic_step_s": [block.synthetic_s for block in row.blocks],
                "real_step_s": [block.real_s for block in row.blocks],
                "images_per_s": row.images_per_s.median,
                "epoch_s": row.epoch_s,
                "times_baseline": _plain(compared["limit"]),
                "real_over_synthetic": _plain(row.real_over_synthetic),
                "roofline_fraction": compared["roofline"],
                "times_faster_than_theirs": _plain(compared["faster"]),
            }
        )
    return {
        "baseline": baseline,
        "repeats": repeats,
        "entries": entries,
        "not_measured": [{"label": item.subject.label, "neurons": item.subject.by, "why": item.why} for item in left],
        "commit": provenance.commit(),
        "versions": provenance.versions(),
    }


def _where(warm: Warm) -> str:
    return f"{warm.device}, {warm.precision}, batch {warm.batch_size}"


def _who(row: Measured) -> str:
    return f"spikebench, {row.warm.path}" if row.subject.peer is None else row.subject.by


def _spread(values: Spread, scale: float = 1.0) -> str:
    low, median, high = (number(value * scale, 4) for value in (values.low, values.median, values.high))
    return f"{median} ({low} to {high})"


def _plain(values: Spread | None) -> dict[str, float] | None:
    return None if values is None else vars(values)
