"""All runs below one folder: what is done, what is not."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Container, Iterator, Mapping
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

from bench.errors import BenchError, CorruptError
from bench.records.record import RunRecord
from bench.runs import provenance
from bench.store.committed import Line, committed
from bench.store.facts import Facts
from bench.store.failures import failed_record, last_failure
from bench.store.folder import RunFolder
from bench.store.index import Index
from bench.store.shared import Shared
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


Found = Facts | BenchError | None  # what a look at a run's record finds: a sound one, what is wrong with it, or none


class Store:
    """All runs below one folder."""

    def __init__(self, root: Path = RUNS) -> None:
        self.root = root
        self._index: Index | None = None

    @contextlib.contextmanager
    def looking(self) -> Iterator[Index]:
        """Within the block records are read once, and those that an index beside the runs knows are not read at all.

        The answers are the same; without leave to write there, or of a damaged index, they take longer.
        """
        if self._index is not None:
            yield self._index
            return
        index = self._index = Index(self.root)
        try:
            yield index
        finally:
            self._index = None
            index.keep()

    def folder(self, run: PlannedRun) -> RunFolder:
        """Return the directory of a planned run."""
        return RunFolder(self.root / f"{run.suite}/{run.key}")

    def state(self, run: PlannedRun) -> State:
        """Say how far a run is; raises nothing. A record measured otherwise than the suite now asks is partial."""
        folder = self.folder(run)
        return _state(run, folder, self._found(folder))

    def _found(self, folder: RunFolder) -> Found:
        try:
            if self._index is not None:
                return self._index.facts(folder)
            record = folder.check()
        except BenchError as error:
            return error
        return None if record is None else Facts.of(record)

    def is_trained(self, run: PlannedRun) -> bool:
        """Whether a record lies here whose weights today's code would make again, and what they can be had from.

        Such a run that is stale has only to be measured again.
        """
        folder = self.folder(run)
        found = self._found(folder)
        kept = folder.checkpoint.is_file() or folder.older_checkpoint.is_file()
        return kept and isinstance(found, Facts) and found.training == provenance.training_digest(run.spec)

    def standing(self, suite: Suite, reports: Path = REPORTS) -> list[tuple[PlannedRun, State]]:
        """Say how far each run of a suite is, and which of the missing ones the committed report has.

        Of seeds that may be added, those up to the last that has been begun.

        Raises RecordError where the report is needed and its records cannot be read.
        """
        return [(run, state) for run, state, _ in self._survey(suite, reports, lambda run, folder, found: "")]

    def survey(self, suite: Suite, reports: Path = REPORTS) -> list[tuple[PlannedRun, State, str]]:
        """Say what `standing` says, each with its `remark`, of one look at each run."""
        return self._survey(suite, reports, _remark)

    def _survey(
        self, suite: Suite, reports: Path, remark: Callable[[PlannedRun, RunFolder, Found], str]
    ) -> list[tuple[PlannedRun, State, str]]:
        surveyed = []
        with self.looking() as index:
            lines = functools.cache(lambda: committed(reports / suite.name / "records.jsonl", index))
            for run in self.begun(suite, lines() if suite.looks.repeated else ()).runs:
                folder = self.folder(run)
                found = self._found(folder)
                state = _state(run, folder, found)
                if state is State.MISSING and (line := lines().get(run.key)) is not None:
                    reported = line.facts.status == "done" and line.facts.measures(run)
                    state = State.REPORTED if reported else state
                surveyed.append((run, state, remark(run, folder, found)))
        return surveyed

    def begun(self, suite: Suite, committed: Container[str] = ()) -> Suite:
        """Return a suite with its own seeds and all up to the last added one of which a run is here or `committed`."""
        if not suite.looks.repeated:
            return suite
        longest = suite.longest
        with self.looking():
            begun = {run.seed for run in longest.runs if run.key in committed or self.state(run) is not State.MISSING}
        last = max((at for at, seed in enumerate(longest.spec.seeds) if seed in begun), default=0)
        return suite.with_seeds(max(len(suite.spec.seeds), last + 1))

    def remark(self, run: PlannedRun) -> str:
        """Return what there is to know of a run beside its state: who executes it, what is damaged, why it failed."""
        folder = self.folder(run)
        return _remark(run, folder, self._found(folder))

    def oddities(self, run: PlannedRun) -> str:
        """Return what is wrong with a finished run, as that it diverged; empty of a sound one, and of any other."""
        found = self._found(self.folder(run))  # of a record that cannot be read, `remark` says so
        return found.oddities() if isinstance(found, Facts) else ""

    def check_report(self, suite: Suite, reports: Path = REPORTS) -> None:
        """Raise RecordError where the committed report's records cannot be read, so that nobody writes over them."""
        with self.looking() as index:
            committed(reports / suite.name / "records.jsonl", index)

    def collect(self, suite: Suite, reports: Path = REPORTS) -> list[RunRecord]:
        """Return the records of a suite's runs: what this store holds, else what the committed report has.

        Raises RecordError where the report is needed and its records cannot be read.
        """
        with self.looking() as index:
            lines = functools.cache(lambda: committed(reports / suite.name / "records.jsonl", index))
            found = ((run, self._collected(run, lines, index)) for run in suite.longest.runs)
            shared = Shared()
            return [shared.of(record, run.label) for run, record in found if record is not None]

    def _collected(self, run: PlannedRun, lines: Callable[[], Mapping[str, Line]], index: Index) -> RunRecord | None:
        folder = self.folder(run)
        try:
            record = index.record(folder)
        except BenchError as error:
            line = lines().get(run.key)
            return failed_record(run, str(error)) if line is None else line.record()
        if record is not None and Facts.of(record).measures(run):
            return record
        found = last_failure(run, folder) or record
        if found is None and (line := lines().get(run.key)) is not None:
            found = line.record()
        return found


def _state(run: PlannedRun, folder: RunFolder, found: Found) -> State:
    if isinstance(found, BenchError):  # `remark` says why
        return State.CORRUPT if isinstance(found, CorruptError) else State.UNREADABLE
    if found is not None:
        if not found.measures(run):
            return State.FAILED if folder.failure.is_file() else State.PARTIAL
        return State.DONE if found.code == provenance.code_digest(run.spec) else State.STALE
    if folder.failure.is_file():
        return State.FAILED
    begun = folder.checkpoint.is_file() or folder.older_checkpoint.is_file()
    return State.PARTIAL if begun else State.MISSING


def _remark(run: PlannedRun, folder: RunFolder, found: Found) -> str:
    holder = folder.executed_by()
    remarks = [f"executed by {holder.words}"] if holder else []
    if isinstance(found, BenchError):
        remarks.append(str(found))
    elif found is None and (failed := last_failure(run, folder)):
        remarks.append(str(failed.error))
    elif found is not None and (odd := found.oddities()):
        remarks.append(odd)
    if folder.to_begin_afresh:
        remarks.append("to be trained from the start, as was asked")
    return "; ".join(remarks)
