"""Cost of the simulation: what training took on the machine that simulated the networks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bench.records.record import RunRecord
from bench.report.evidence.comparison import Comparison
from bench.report.evidence.entry import Entry
from bench.report.evidence.evidence import Evidence
from bench.report.evidence.quantities import IMAGES_PER_SECOND, PEAK_MEMORY, TRAINING_TIME
from bench.report.formats.document import Block, Paragraph, Table
from bench.report.formats.inline import Inline, Said, join
from bench.report.formats.text import NOT_AVAILABLE, number
from bench.report.sections.cells import any_done, label

MEGABYTE = 1e6
NOTE = (
    "What training took on the machine that simulated the networks; it says nothing about their energy. Peak memory is "
    "what was allocated on a GPU; on a CPU it is the whole process, its libraries included."
)
JOULES_NOTE = (
    "Measured energy of the simulation, idle power subtracted, mean ± sd over windows. It is what this machine spent "
    "on computing the networks step by step; the energy estimated above is that of other hardware."
)


def section(evidence: Evidence) -> list[Block]:
    """Return time and memory per entry as the mean over its finished runs, and joules where a counter was read."""
    if not any_done(evidence.comparison):
        return []
    return [Paragraph(NOTE), _cost(evidence.comparison), *_measured_energy(evidence.comparison)]


def _cost(comparison: Comparison) -> Table:
    rows: list[list[Inline]] = []
    for entry in comparison.trained:
        cells = [
            number(None if (mean := entry.summary(quantity.value).mean) is None else mean / size)
            for quantity, size in ((TRAINING_TIME, 1.0), (IMAGES_PER_SECOND, 1.0), (PEAK_MEMORY, MEGABYTE))
        ]
        rows.append([label(entry), str(len(entry.done)), *cells])
    return Table(["entry", "n", "training, s", "images per s", "peak memory, MB"], rows)


def _measured_energy(comparison: Comparison) -> list[Block]:
    rows = [
        _row(entry, record, found)
        for entry in comparison.trained
        for record in entry.done
        if (found := record.wall_clock.get("measured_energy"))
    ]
    header = ["entry", "seed", "training, mJ per sample", "inference, mJ per sample", "idle, W", "read from"]
    return [Paragraph(JOULES_NOTE), Table([*header, "SM / memory clock, MHz"], rows)] if rows else []


def _row(entry: Entry, record: RunRecord, found: Mapping[str, Any]) -> list[Inline]:
    clocks = (found.get(name) for name in ("sm_clock_mhz", "memory_clock_mhz"))
    return [
        label(entry),
        str(record.seed),
        *(_joules(found, kind) for kind in ("training", "inference")),
        number(found["idle_w"]),
        Said(", ".join(str(found[name]) for name in ("source", "device", "driver") if name in found)),
        join(" / ", (NOT_AVAILABLE if clock is None else Said(str(clock)) for clock in clocks)),
    ]


def _joules(found: Mapping[str, Any], kind: str) -> str:
    mean, sd = (found[kind][name] for name in ("j_per_sample", "sd_j_per_sample"))
    spread = None if sd is None else 1e3 * sd
    return f"{number(1e3 * mean)} ± {number(spread)} ({found['repeats']} windows of {number(found['window_s'])} s)"
