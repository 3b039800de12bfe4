"""Kinds of machine that made records: what may move a number between two of them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from bench.records.record import RunRecord

_LIBRARIES = {"onednn": "oneDNN", "mkl": "MKL"}


def kinds_of_machine(records: Iterable[RunRecord]) -> dict[str, list[RunRecord]]:
    """Return the records by the kind of machine that made them, in words; those that do not name theirs are left out.

    A kind is what may move a number: instruction set, kernels, libraries, torch, limits and the way to bf16. Two
    processors of one kind are one here; portable runs are of one kind on every processor.
    """
    made = [(record, _common(machine, record)) for record in records if (machine := _machine(record))]
    ways: dict[str, str] = {}  # what computes in fp32 says no way, and is no other kind for it
    for record, common in made:
        if way := _machine(record).get("bf16"):
            ways.setdefault(common, str(way))
    found: dict[str, list[RunRecord]] = {}
    for record, common in made:
        way = _machine(record).get("bf16") or ways.get(common)
        found.setdefault(f"{common}, bf16 {way}" if way else common, []).append(record)
    return found


def _machine(record: RunRecord) -> dict[str, Any]:
    machine = record.provenance.get("machine")
    return machine if isinstance(machine, dict) else {}


def _common(machine: dict[str, Any], record: RunRecord) -> str:
    portable = record.provenance.get("algorithms") == "portable"  # then the processor moves nothing
    words = ["portable"] if portable else [str(machine.get("instructions", "unknown instructions"))]
    device = str(record.provenance.get("device", "cpu"))
    if not device.startswith("cpu"):  # the host of a GPU computes nothing that counts
        words, machine = [device], {}
    words += [f"{machine['kernels']} kernels"] if machine.get("kernels") else []
    words += [f"{name} {machine[key]}" for key, name in _LIBRARIES.items() if machine.get(key)]
    versions = record.provenance.get("versions")
    words += [f"torch {versions['torch']}"] if isinstance(versions, dict) and versions.get("torch") else []
    limits = machine.get("limits")
    words += [f"{name}={value}" for name, value in sorted(limits.items())] if isinstance(limits, dict) else []
    return ", ".join(words)
