"""The command that makes a report again."""

from __future__ import annotations

import shlex

from bench.report.evidence.evidence import Evidence
from bench.report.formats.document import Block, Code


def section(evidence: Evidence) -> list[Block]:
    """Return the command that makes the records and this report, with its cost tables."""
    comparison, spec = evidence.comparison, evidence.comparison.suite.spec
    path = f"suites/{spec.name}.toml"
    seeds = sorted({slot.run.seed for entry in comparison.trained for slot in entry.slots if slot.record is not None})
    runs = [f"spikebench run {path}"]
    if seeds and seeds != sorted(spec.seeds):
        runs = [f"spikebench run {path} --seed {seed}" for seed in seeds]
    extra = "".join(f" --table {shlex.quote(name)}" for name in evidence.tables if name not in spec.energy)
    return [Code(" && ".join([*runs, f"spikebench report {path}{extra}"]))]
