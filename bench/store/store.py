"""All runs below one folder: what is done, what is not."""

from __future__ import annotations

import contextlib
from collections.abc import Container
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

from bench.errors import BenchError, CorruptError
from bench.records.health import oddities_of
from bench.records.lines import read_records
from bench.records.record import RunRecord
from bench.runs import provenance
from bench.store.failures import failed_record, last_failure
from bench.store.folder import RunFolder
from bench.suite.run_spec import PlannedRun

if TYPE_CHECKING:
    from bench.suite.load import Suite

RUNS = Path("runs")

REPORTS = Path("reports")


class State(StrEnum):
    """What the store knows about a planned run."""

    DONE = "done"
    STALE = "stale"  # done, by other code than today's
    PARTIAL = "partial"  # a checkpoint to go on from
    UNREADABLE = "unreadable"  # no leave to read it, or a newer version wrote it
    CORRUPT = "corrupt"  # a file that is not what was written there; `run` sets it aside and goes on from the rest
    FAILED = "failed"
    REPORTED = "in reports/, not in runs/"  # reports have its committed record; `run` trains it again
    MISSING = "missing"


class Store:
    """All runs below one folder."""

    def __init__(self, root: Path = RUNS) -> None:
        self.root = root

    def folder(self, run: PlannedRun) -> RunFolder:
        """Return the directory of a planned run."""
        return RunFolder(self.root / run.suite / run.key)

    def state(self, run: PlannedRun) -> State:
        """Say how far a run is; raises nothing. A record measured otherwise than the suite now asks is partial."""
        folder = self.folder(run)
        try:
            record = folder.check()
        except CorruptError:
            return State.CORRUPT
        except BenchError:  # `remark` says why
            return State.UNREADABLE
        if record is not None:
            if not _is_measured(record, run):
                return State.FAILED if folder.failure.is_file() else State.PARTIAL
            current = record.digests is not None and record.digests.code == provenance.code_digest(run.spec)
            return State.DONE if current else State.STALE
        if folder.failure.is_file():
            return State.FAILED
        begun = folder.checkpoint.is_file() or folder.older_checkpoint.is_file()
        return State.PARTIAL if begun else State.MISSING

    def is_trained(self, run: PlannedRun) -> bool:
        """Whether a record lies here whose weights today's code would make again, and what they can be had from.

        Such a run that is stale has only to be measured again.
        """
        folder = self.folder(run)
        with contextlib.suppress(BenchError):
            record = folder.check()
            kept = folder.checkpoint.is_file() or folder.older_checkpoint.is_file()
            made = record.digests.training if record is not None and record.digests is not None else None
            return kept and made == provenance.training_digest(run.spec)
        return False

    def standing(self, suite: Suite, reports: Path = REPORTS) -> list[tuple[PlannedRun, State]]:
        """Say how far each run of a suite is, and which of the missing ones the committed report has.

        Of seeds that may be added, those up to the last that has been begun.

        Raises RecordError where the report's records cannot be read.
        """
        committed = {record.key: record for record in read_records(reports / suite.name / "records.jsonl")}
        states = []
        for run in self.begun(suite, committed).runs:
            state, record = self.state(run), committed.get(run.key)
            is_reported = record is not None and record.status == "done" and _is_measured(record, run)
            states.append((run, State.REPORTED if state is State.MISSING and is_reported else state))
        return states

    def begun(self, suite: Suite, committed: Container[str] = ()) -> Suite:
        """Return a suite with its own seeds and all up to the last added one of which a run is here or `committed`."""
        if not suite.looks.repeated:
            return suite
        longest = suite.longest
        begun = {run.seed for run in longest.runs if run.key in committed or self.state(run) is not State.MISSING}
        last = max((at for at, seed in enumerate(longest.spec.seeds) if seed in begun), default=0)
        return suite.with_seeds(max(len(suite.spec.seeds), last + 1))

    def remark(self, run: PlannedRun) -> str:
        """Return what there is to know of a run beside its state: who executes it, what is damaged, why it failed."""
        folder = self.folder(run)
        holder = folder.executed_by()
        remarks = [f"executed by {holder.words}"] if holder else []
        try:
            record = folder.check()
            if record is None and (failed := last_failure(run, folder)):
                remarks.append(str(failed.error))
            if record is not None and (odd := oddities_of(record)):
                remarks.append(odd)
        except BenchError as error:
            remarks.append(str(error))
        if folder.to_begin_afresh:
            remarks.append("to be trained from the start, as was asked")
        return "; ".join(remarks)

    def oddities(self, run: PlannedRun) -> str:
        """Return what is wrong with a finished run, as that it diverged; empty of a sound one, and of any other."""
        with contextlib.suppress(BenchError):  # of a record that cannot be read, `remark` says so
            record = self.folder(run).check()
            return "" if record is None else oddities_of(record)
        return ""

    def collect(self, suite: Suite, reports: Path = REPORTS) -> list[RunRecord]:
        """Return the records of a suite's runs: what this store holds, else what the committed report has."""
        committed = {record.key: record for record in read_records(reports / suite.name / "records.jsonl")}
        found = []
        for run in suite.longest.runs:
            folder = self.folder(run)
            try:
                record = folder.check()
            except BenchError as error:
                record = committed.get(run.key) or failed_record(run, str(error))
            else:
                if record is None or not _is_measured(record, run):
                    record = last_failure(run, folder) or record or committed.get(run.key)
            if record is not None:
                found.append(record.model_copy(update={"label": run.label}))
        return found


def _is_measured(record: RunRecord, run: PlannedRun) -> bool:
    """Whether a record holds what the suite now asks to measure, with today's code of the neuron that is deployed."""
    if record.measure_key != run.measure_key:
        return False
    deploy, deployed = run.measure.deploy, record.deployed
    return deploy is None or (deployed is not None and deployed.code == provenance.neuron_digest(deploy))
