"""Why a run failed, kept in its folder and told as a record."""

from __future__ import annotations

import json

from bench.files.canonical import canonical_json
from bench.files.durable import atomic_write
from bench.records.record import RunRecord
from bench.runs import provenance
from bench.store.folder import RunFolder
from bench.suite.run_spec import PlannedRun


def failed_record(run: PlannedRun, error: str) -> RunRecord:
    """Return the record of a run that ended with `error` and measured nothing."""
    return RunRecord(**provenance.identity(run), status="failed", error=error)


def write_failure(folder: RunFolder, error: str, traceback: str) -> None:
    """Leave the reason of a failed run in its folder."""
    atomic_write(folder.failure, canonical_json({"error": error, "traceback": traceback}) + "\n")


def last_failure(run: PlannedRun, folder: RunFolder) -> RunRecord | None:
    """Return what is left of a run's last attempt, if that failed."""
    try:
        reason = json.loads(folder.failure.read_text("utf-8"))["error"]
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError, LookupError, TypeError, RecursionError):
        reason = f"{folder.failure}: corrupt: does not say why the run failed; run the suite again"
    return failed_record(run, str(reason))
