"""How many seeds of a suite a report is of, where seeds are added."""

from __future__ import annotations

from collections.abc import Sequence

from bench.records.record import RunRecord
from bench.suite.load import Suite


def looked_at(suite: Suite, records: Sequence[RunRecord]) -> Suite:
    """Return the suite with the seeds of the last look for which every run has a usable record, at least its own."""
    failed = {record.key for record in records if record.status == "failed"}
    measured = {(record.key, record.measure_key) for record in records}
    reached = suite
    for seeds in suite.looks.seeds:
        larger = suite.with_seeds(seeds)
        if not all(run.key in failed or (run.key, run.measure_key) in measured for run in larger.runs):
            break
        reached = larger
    return reached
