"""What training took on the machine that simulated the networks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from bench.records.record import RunRecord
from bench.report.evidence.comparison import Comparison
from bench.report.formats.text import escape, number, table

MEGABYTE = 1e6


def simulation_cost(comparison: Comparison) -> str:
    """Return what training on the simulating machine took, per entry, as the mean over its finished runs."""
    rows = [
        [escape(entry.label), str(len(entry.done))]
        + [
            number(mean / size) if (mean := entry.summary(_clock(name)).mean) is not None else "n/a"
            for name, size in (("train_s", 1.0), ("images_per_s", 1.0), ("peak_memory_bytes", MEGABYTE))
        ]
        for entry in comparison.trained
    ]
    return table(["entry", "n", "training, s", "images per s", "peak memory, MB"], rows)


def measured_energy(comparison: Comparison) -> str:
    """Return the joules that simulating took, where a counter was read; empty where none was."""
    rows = [
        [
            escape(entry.label),
            str(record.seed),
            *(_joules(found, kind) for kind in ("training", "inference")),
            number(found["idle_w"]),
            escape(", ".join(str(found[name]) for name in ("source", "device", "driver") if name in found)),
            " / ".join(_mhz(found.get(name)) for name in ("sm_clock_mhz", "memory_clock_mhz")),
        ]
        for entry in comparison.trained
        for record in entry.done
        if (found := record.wall_clock.get("measured_energy"))
    ]
    header = ["entry", "seed", "training, mJ per sample", "inference, mJ per sample", "idle, W", "read from"]
    return table([*header, "SM / memory clock, MHz"], rows) if rows else ""


def _mhz(clock: int | None) -> str:
    return "n/a" if clock is None else str(clock)


def _joules(found: Mapping[str, Any], kind: str) -> str:
    mean, sd = (found[kind][name] for name in ("j_per_sample", "sd_j_per_sample"))
    spread = None if sd is None else 1e3 * sd
    return f"{number(1e3 * mean)} ± {number(spread)} ({found['repeats']} windows of {number(found['window_s'])} s)"


def _clock(name: str) -> Callable[[RunRecord], float | None]:
    return lambda record: record.wall_clock.get(name)
