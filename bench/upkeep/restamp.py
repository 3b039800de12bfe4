"""Committed records given today's code digest, once a sample of runs has shown that today's code makes their numbers.

A change of the code that moves no number makes every record look stale. Training all of them again is one way to be
sure; this is the other: some runs of every suite, trained before and after the change on one machine, are compared
number by number, and only then the records take the digest of today's code.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from bench.errors import RecordError
from bench.records.record import Deployment, RunRecord
from bench.runs import provenance
from bench.store.store import Store
from bench.suite.load import Suite
from bench.suite.run_spec import PlannedRun

_NOT_COMPARED = ("wall_clock", "label", "checksum")  # what differs between twins, and what the suite calls them
MOST_NAMED = 5  # differences of a run


@dataclass(frozen=True)
class Compared:
    """One run that both stores hold. `differences` are the dotted names of what is not equal."""

    run: PlannedRun
    differences: tuple[str, ...]
    as_committed: bool  # the numbers of the committed record too; another kind of processor gives others


def compared(suite: Suite, before: Store, after: Store, committed: Sequence[RunRecord]) -> list[Compared]:
    """Compare the runs of a suite that both stores hold, number by number.

    Raises RecordError where the record in `after` was not made by today's code, or that in `before` was.
    """
    kept = {record.key: record for record in committed}
    found = []
    for run in suite.longest.runs:
        first, second = (store.folder(run).check() for store in (before, after))
        if first is None or second is None:
            continue
        today = provenance.code_digest(run.spec)
        if _code(second) != today:
            raise RecordError(f"{after.folder(run).record}: was not made by today's code; train it again")
        if _code(first) == today:
            raise RecordError(f"{before.folder(run).record}: was made by today's code; it shows nothing of older code")
        own = kept.get(run.key)
        as_committed = own is not None and not list(_differences(_numbers(own), _numbers(second)))
        found.append(Compared(run, tuple(_differences(_essence(first), _essence(second))), as_committed))
    return found


def restamped(suite: Suite, records: Sequence[RunRecord]) -> list[RunRecord]:
    """Return the records of a suite with the digest of today's code; failed ones and those it does not plan as is."""
    runs = {run.key: run for run in suite.longest.runs}
    return [_restamped(record, runs[record.key]) if record.key in runs else record for record in records]


def _restamped(record: RunRecord, run: PlannedRun) -> RunRecord:
    if record.digests is None:
        return record
    today = provenance.digests(run.spec, provenance.training_digest(run.spec))
    update: dict[str, Any] = {"digests": record.digests.model_copy(update=today)}
    if record.deployed is not None and run.measure.deploy is not None:
        update["deployed"] = _deployed(record.deployed, provenance.neuron_digest(run.measure.deploy))
    return record.model_copy(update=update)


def _deployed(deployed: Deployment, code: str) -> Deployment:
    return deployed.model_copy(update={"code": code})


def _code(record: RunRecord) -> str | None:
    return record.digests.code if record.digests else None


def _essence(record: RunRecord) -> dict[str, Any]:
    """All that a record says but clock, label and which code made it: what has to be equal."""
    data = record.model_dump(mode="json", by_alias=True, exclude={*_NOT_COMPARED, "digests"})
    for origin in (data["provenance"], data["provenance"].get("measured") or {}):
        origin.pop("commit", None)
    digests = {} if record.digests is None else record.digests.model_dump(exclude={"code", "training"})
    if data.get("deployed"):
        data["deployed"].pop("code")
    return data | {"digests": digests}


def _numbers(record: RunRecord) -> dict[str, Any]:
    """What was trained and measured, whatever machine and versions it was on."""
    return {name: value for name, value in _essence(record).items() if name != "provenance"}


def _differences(first: Any, second: Any, path: str = "") -> Iterator[str]:
    if isinstance(first, dict) and isinstance(second, dict):
        for name in sorted({*first, *second}):
            yield from _differences(first.get(name), second.get(name), f"{path}.{name}" if path else str(name))
    elif isinstance(first, list) and isinstance(second, list) and len(first) == len(second):
        for index, (one, other) in enumerate(zip(first, second, strict=True)):
            yield from _differences(one, other, f"{path}[{index}]")
    elif first != second:
        yield path
